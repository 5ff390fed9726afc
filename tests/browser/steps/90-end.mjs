// Status, an address that is nowhere, and that a locked screen shows no record.
export default async function end(walk) {
  await walk.go('/status');
  await walk.look('status');
  const strip = await walk.page.locator('#strip').innerText();
  if (!/hub/i.test(strip)) walk.fault(`${walk.size} strip`, `does not speak of the hub: ${strip}`);
  console.log(`strip: ${strip.replace(/\s+/g, ' ')}`);
  await walk.go('/nothing-here');
  await walk.look('not-found');
  await walk.open(walk.page.getByRole('button', { name: 'Lock or switch' }));
  await walk.page.waitForURL(/\/unlock/);
  await walk.go(walk.record);
  await walk.page.waitForURL(/\/unlock/);
}
