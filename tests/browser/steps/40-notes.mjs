// A note.
export default async function note(walk) {
  await walk.go(`${walk.record}/notes/new`);
  await walk.look('note');
  await walk.page.getByLabel('Food', { exact: true }).check();
  await walk.page.locator('#text').fill(`Ate her soup, seen on the ${walk.size}.`);
  await walk.open(walk.page.getByRole('button', { name: 'Save note' }));
  await walk.heading('Note saved');
  await walk.page.getByText(`seen on the ${walk.size}`).first().waitFor();
  await walk.look('note-saved');
}
