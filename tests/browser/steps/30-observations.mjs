// A wrong set, a right one with its score; soft signs, weight, fluid, and the graphs.
export default async function observations(walk) {
  await observation(walk);
  await trends(walk);
}

async function observation(walk) {
  await walk.go(`${walk.record}/obs/new`);
  await walk.look('observation');
  await walk.page.locator('#rate').fill('22');
  await walk.page.locator('#pulse').fill('1120');
  await walk.open(walk.page.getByRole('button', { name: 'Save observations' }));
  await walk.page.locator('.nhsuk-error-summary').waitFor();
  if ((await walk.page.locator('#rate').inputValue()) !== '22') walk.fault('observation', 'what was typed is lost');
  const focused = await walk.page.evaluate(() => document.activeElement?.className ?? '');
  if (!focused.includes('nhsuk-error-summary')) walk.fault('observation', 'the error summary has no focus');
  await walk.look('observation-wrong');
  const set = { rate: '22', saturation: '93', systolic: '104', diastolic: '60', pulse: '112', temperature: '38.4' };
  for (const [field, value] of Object.entries(set)) await walk.page.locator(`#${field}`).fill(value);
  await walk.page.getByLabel('Air', { exact: true }).check();
  await walk.page.getByLabel('Alert', { exact: true }).check();
  await walk.open(walk.page.getByRole('button', { name: 'Save observations' }));
  await walk.heading(/Observations saved/);
  await walk.page.getByText('NEWS2 8').first().waitFor({ timeout: 5000 });
  await walk.look('observation-saved');
}

async function trends(walk) {
  for (const [form, fill] of [
    ['soft-signs', async () => { await walk.page.getByLabel(/Moving less/).check(); await walk.page.locator('#text').fill('Slower than usual.'); }],
    ['weight', async () => { await walk.page.locator('#weight').fill('61.5'); }],
    ['fluid', async () => { await walk.page.getByLabel('Drunk', { exact: true }).check(); await walk.page.locator('#amount').fill('200'); }],
  ]) {
    await walk.go(`${walk.record}/${form}/new`);
    await walk.look(form);
    await fill();
    await walk.open(walk.page.getByRole('button', { name: /^Save/ }));
    await walk.heading(/[Ss]aved/);
  }
  await walk.page.getByText('Show as a table, newest first').click();
  await walk.look('observations');
  await walk.open(walk.page.getByRole('link', { name: '24 hours' }));
  await walk.look('observations-day');
}
