// What has to be settled, and an entry with its history and the way to strike it out: entry, Strike out, reason, Save.
export default async function entry(walk) {
  await walk.go('/conflicts');
  await walk.heading('To settle');
  await walk.look('conflicts');
  await walk.go(`${walk.record}/conflicts`);
  await walk.look('conflicts-of-resident');
  await walk.go(`${walk.record}/notes/new`);
  await walk.page.getByLabel('General', { exact: true }).check();
  await walk.page.locator('#text').fill(`Typed for somebody else on the ${walk.size}.`);
  await walk.open(walk.page.getByRole('button', { name: 'Save note' }));
  await walk.go(walk.record);
  const note = walk.page.locator('.hearth-item').filter({ hasText: `Typed for somebody else on the ${walk.size}.` });
  await walk.open(note.getByRole('link', { name: /^Details/ }));
  await walk.look('entry');
  await walk.open(walk.page.getByRole('link', { name: 'Strike out' }));
  await walk.look('strike');
  await walk.page.getByLabel('Wrong resident').check();
  await walk.open(walk.page.getByRole('button', { name: 'Save' }));
  await walk.heading('Struck out');
  await walk.page.locator('s').first().waitFor();
  await walk.look('entry-struck');
  await walk.go(walk.record);
}
