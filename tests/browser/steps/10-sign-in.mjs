// Tiles, a wrong PIN, the right one, the start of the day.
export default async function signIn(walk) {
  await walk.go('/unlock');
  await walk.look('unlock');
  await walk.open(walk.page.getByRole('link', { name: new RegExp(walk.args.name) }));
  await walk.look('pin');
  await walk.page.locator('#pin').fill('999999');
  await walk.open(walk.page.getByRole('button', { name: 'Sign in' }));
  await walk.page.locator('.nhsuk-error-summary').waitFor();
  await walk.look('pin-wrong');
  await walk.page.locator('#pin').fill(walk.args.pin);
  await walk.open(walk.page.getByRole('button', { name: 'Sign in' }));
  await walk.heading('Today');
  await walk.look('today');
}
