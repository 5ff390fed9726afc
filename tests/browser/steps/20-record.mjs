// A record, whose banner stays in sight.
export default async function openRecord(walk) {
  const links = walk.page.locator('.hearth-tile__name a');
  const chosen = walk.args.resident ? links.filter({ hasText: walk.args.resident }) : links;
  await walk.open(chosen);
  await walk.page.locator('.hearth-banner').waitFor();
  walk.record = new URL(walk.page.url()).pathname;
  walk.resident = walk.record.split('/')[2];
  await walk.look('record');
  await walk.page.mouse.wheel(0, 1500);
  await walk.page.waitForTimeout(200);
  const top = await walk.page.locator('.hearth-banner').evaluate((banner) => banner.getBoundingClientRect().top);
  if (Math.abs(top) > 1) walk.fault(`${walk.size} record`, `the banner scrolled away (${top})`);
}
