// An allergy typed by hand.
export default async function allergy(walk) {
  await walk.go(`${walk.record}/allergies/new`);
  await walk.look('allergy');
  await walk.page.locator('#substance').fill(`Plasters, found on the ${walk.size}`);
  await walk.page.locator('#reaction').fill('itching');
  await walk.page.getByLabel('Mild', { exact: true }).check();
  await walk.open(walk.page.getByRole('button', { name: 'Save allergy' }));
  await walk.heading('Allergy saved');
  await walk.page.locator('.hearth-allergies', { hasText: 'Plasters' }).waitFor();
  await walk.look('allergy-saved');
}
