// Gives, or looks at why not, whatever waits; where nothing is due the pages are only shown.
export default async function dose(walk) {
  await walk.go('/round');
  await walk.look('round');
  await walk.go(`/round/${walk.resident}`);
  await walk.look('round-resident');
  const reason = walk.page.getByRole('link', { name: /^Not given/ });
  if (await reason.count()) {
    await walk.open(reason);
    await walk.look('not-given');
    await walk.go(`/round/${walk.resident}`);
  }
  const given = walk.page.locator('.hearth-dose', { hasNotText: 'witness' }).getByRole('button', { name: /^Given/ });
  const waiting = await given.count();
  if (waiting) {
    walk.dosesSeen += 1;
    await given.first().click();
    await walk.page.waitForFunction((before) => {
      const cards = [...document.querySelectorAll('.hearth-dose')].filter((c) => !c.textContent.includes('witness'));
      const left = cards.filter((c) => [...c.querySelectorAll('button')].some((b) => b.textContent.startsWith('Given'))).length;
      return left < before || document.querySelector('.hearth-warning--stop h1');
    }, waiting, { timeout: 8000 });
    await walk.look('dose-given');
  }
  const prn = walk.page.getByRole('link', { name: /^Give / });
  if (await prn.count()) {
    await walk.open(prn);
    await walk.look('prn');
  }
}
