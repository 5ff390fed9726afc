// The residents, found as one types; a record, whose banner stays in sight.
export default async function openRecord(walk) {
  const place = walk.page.locator('.hearth-places').getByRole('link', { name: 'Residents', exact: true });
  if (walk.size === 'phone') {
    const foot = await walk.page.locator('.hearth-places').evaluate((bar) => window.innerHeight - bar.getBoundingClientRect().bottom);
    if (Math.abs(foot) > 1) walk.fault('phone today', `the places are not at the foot of the window (${foot})`);
  }
  await walk.open(place);
  await walk.heading('Residents');
  await walk.look('residents');
  const all = await walk.page.locator('.hearth-tile:visible').count();
  await walk.page.locator('#search').fill('room 1');
  if (await walk.page.locator('.hearth-tile:visible').count() >= all) walk.fault(`${walk.size} residents`, 'the search hides nobody');
  await walk.page.locator('#search').fill('');
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
