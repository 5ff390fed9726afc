// Opens every page that a link leads to from the start on, once for each kind of address, and looks at each one: at the
// width of a phone, a tablet and a PC with axe (WCAG 2.2 AA) and a picture, at 400 % zoom, and without any script.
// Exits 0 when no page has a fault, 1 otherwise, 2 on wrong usage.
//
//   node crawl.mjs --base https://localhost:8443 --name 'Nia Nurse' --pin 271828 --out shots [--only phone]
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { faultList, launch, openPage, readArguments, signIn } from './common.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const args = readArguments('crawl.mjs', { only: { type: 'string' } });
const { fault, end } = faultList();

// A window of 1280 by 1024 at 400 % is one of 320 by 256.
const WAYS = {
  phone: { viewport: { width: 390, height: 844 }, axe: true },
  tablet: { viewport: { width: 820, height: 1180 }, axe: true },
  pc: { viewport: { width: 1280, height: 800 }, axe: true },
  zoom: { viewport: { width: 320, height: 256 } },
  plain: { viewport: { width: 820, height: 1180 }, javaScriptEnabled: false },
};
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

// Two addresses of one kind differ in their ids, months and questions only.
const kindOf = (url) => url.pathname
  .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '{id}')
  .replace(/\/\d{4}-\d{2}(-\d{2})?(?=\/|$|\.)/g, '/{date}')
  .replace(/\/[0-9a-f]{12,}(?=\/|$|\.)/g, '/{hash}')
  .replace(/\/(body|plan|tile)\/[a-z-]+/, '/$1/{part}')
  .replace(/\/[0-9a-f]+-[0-9a-f]+(?=\/|$)/g, '/{entry}')
  .replace(/\/\d+(?=\/|$)/g, '/{n}') + (url.search ? '?' : '');

// What a person would stumble over, whatever the page.
async function look(page, way, kind, number) {
  const where = `${way} ${kind}`;
  const found = await page.evaluate(() => {
    const problems = [];
    const over = document.documentElement.scrollWidth - window.innerWidth;
    if (over > 1) {
      const wide = [...document.querySelectorAll('main *')].find((e) => e.getBoundingClientRect().right > window.innerWidth + 1);
      problems.push(`${over} px wider than the window: ${wide?.tagName} ${wide?.className}`);
    }
    if (!document.querySelector('h1')) problems.push('no heading');
    if (!document.querySelector('#strip[role=status]')) problems.push('no sync strip');
    return problems;
  });
  for (const problem of found) fault(where, problem);
  if (WAYS[way].axe) {
    const violations = await page.evaluate(async (tags) => {
      const result = await window.axe.run(document, { runOnly: { type: 'tag', values: tags } });
      if (result.passes.length < 10) return [`axe found only ${result.passes.length} rules to check`];
      return result.violations.map((v) => `${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(' | ')}`);
    }, RULES);
    for (const violation of violations) fault(where, violation);
  }
  const name = kind.replace(/[{}?]/g, '').replace(/\/+/g, '-').replace(/^-|-$/g, '') || 'start';
  await page.screenshot({ path: join(args.out, `${way}-${String(number).padStart(2, '0')}-${name}.png`), fullPage: way !== 'zoom' });
}

async function crawl(way, browser) {
  const { viewport, javaScriptEnabled } = WAYS[way];
  const page = await openPage(browser, args, { viewport, javaScriptEnabled }, fault, way);
  if (WAYS[way].axe) await page.addInitScript({ content: axe });
  await signIn(page, args);
  const seen = new Set(['/']);
  const next = [new URL('/', args.base)];
  let looked = 0;
  while (next.length) {
    const url = next.shift();
    const kind = kindOf(url);
    try {
      const answer = await page.goto(url.href);
      if (answer && answer.status() >= 400) fault(`${way} ${kind}`, `answers ${answer.status()}`);
      if (!(answer?.headers()['content-type'] ?? '').startsWith('text/html')) continue;
      looked += 1;
      await look(page, way, kindOf(new URL(page.url())), looked);
    } catch (error) {
      // A file is downloaded and not shown.
      if (!/Download is starting|net::ERR_ABORTED/.test(error.message)) fault(`${way} ${kind}`, error.message.split('\n')[0]);
      continue;
    }
    const links = await page.evaluate(() => [...document.querySelectorAll('a[href]')].map((a) => new URL(a.getAttribute('href'), location.href).href));
    for (const link of links) {
      const to = new URL(link);
      if (to.origin !== new URL(args.base).origin) continue;
      to.hash = '';
      const of = kindOf(to);
      if (!seen.has(of)) {
        seen.add(of);
        next.push(to);
      }
    }
  }
  console.log(`${way}: looked at ${looked} pages`);
  if (looked < 20) fault(way, `only ${looked} pages were found`);
  await page.context().close();
}

const browser = await launch();
try {
  const ways = Object.keys(WAYS).filter((way) => !args.only || way === args.only);
  for (const way of ways) await crawl(way, browser);
} finally {
  await browser.close();
}
end('every page looked at, no faults');
