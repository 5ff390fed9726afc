// Walks the pages of a node as a member of staff does, at the width of a phone, a tablet and a PC, and checks each page
// with axe (WCAG 2.2 AA). Exits 0 when every step worked and no page has a violation, 1 otherwise, 2 on wrong usage.
//
//   node walk.mjs --base https://localhost:8443 --name 'Nia Nurse' --pin 271828 --out shots [--resident 'SMITH']
//
// The certificate is not checked: whether browsers trust it is another test's business. HEARTH_CHROMIUM names the
// browser, /usr/bin/chromium where it is not set.
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const { values: args } = parseArgs({
  options: {
    base: { type: 'string' }, name: { type: 'string' }, pin: { type: 'string' }, out: { type: 'string' },
    resident: { type: 'string' }, 'expect-doses': { type: 'boolean' }, only: { type: 'string' }, help: { type: 'boolean' },
  },
});
if (args.help || !args.base || !args.name || !args.pin || !args.out) {
  console.error("usage: node walk.mjs --base URL --name 'NAME OF STAFF' --pin PIN --out FOLDER [--resident 'START OF NAME'] [--only phone|tablet|pc] [--expect-doses]");
  process.exit(args.help ? 0 : 2);
}
mkdirSync(args.out, { recursive: true });

const SIZES = {
  phone: { width: 390, height: 844 },
  tablet: { width: 820, height: 1180 },
  pc: { width: 1280, height: 800 },
};
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const faults = [];
const fault = (where, what) => { faults.push(`${where}: ${what}`); console.error(`FAULT ${where}: ${what}`); };

class Walk {
  constructor(size, page) {
    this.size = size;
    this.page = page;
    this.args = args;
    this.looked = 0;
    this.dosesSeen = 0;
  }

  fault(where, what) { fault(where, what); }

  // Takes a picture, runs axe, and looks for what a person would stumble over.
  async look(name) {
    const where = `${this.size} ${name}`;
    this.looked += 1;
    const file = `${this.size}-${String(this.looked).padStart(2, '0')}-${name}.png`;
    await this.page.screenshot({ path: join(args.out, file) });
    await this.page.screenshot({ path: join(args.out, file.replace('.png', '-full.png')), fullPage: true });
    const found = await this.page.evaluate(async (tags) => {
      const result = await window.axe.run(document, { runOnly: { type: 'tag', values: tags } });
      if (result.passes.length < 10) return [`axe found only ${result.passes.length} rules to check: it did not see the page`];
      return result.violations.map((v) => `${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(' | ')}`);
    }, RULES);
    for (const violation of found) fault(where, violation);
    const overflow = await this.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (overflow > 1) fault(where, `the page is ${overflow} px wider than the window`);
    if (!(await this.page.locator('#strip[role=status]').count())) fault(where, 'no sync strip');
    if (/SMITH|[0-9]{3} ?[0-9]{3} ?[0-9]{4}/.test(await this.page.title())) fault(where, 'the title holds a name or number');
    console.log(`looked at ${where}`);
  }

  async go(path) { await this.page.goto(new URL(path, args.base).href); }
  async open(link) { await link.first().click(); await this.page.waitForLoadState(); }
  async heading(text) { await this.page.getByRole('heading', { name: text }).first().waitFor({ timeout: 8000 }); }
}

// One file a room, walked in the order of their numbers.
const folder = new URL('steps/', import.meta.url);
const steps = [];
for (const file of readdirSync(folder).filter((file) => file.endsWith('.mjs')).sort()) {
  steps.push({ name: file.replace('.mjs', ''), walks: (await import(new URL(file, folder))).default });
}
const NEEDED = ['10-sign-in', '20-record'];
let dosesSeen = 0;

const browser = await chromium.launch({
  executablePath: process.env.HEARTH_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
try {
  for (const [size, viewport] of Object.entries(SIZES).filter(([name]) => !args.only || name === args.only)) {
    const context = await browser.newContext({ viewport, ignoreHTTPSErrors: true, locale: 'en-GB' });
    await context.addInitScript({ content: axe });
    const page = await context.newPage();
    page.setDefaultTimeout(10000);
    page.on('request', (request) => {
      // The browser shows a PDF by parts of its own, which have addresses too.
      const { origin, protocol } = new URL(request.url());
      if (origin !== new URL(args.base).origin && /^(http|ws)/.test(protocol)) fault(size, `asks another machine: ${request.url()}`);
    });
    page.on('pageerror', (error) => fault(size, `script error: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of (404|422|409)|SSL certificate error/.test(message.text())) fault(size, `console: ${message.text()}`);
    });
    const walk = new Walk(size, page);
    for (const { name, walks } of steps) {
      try {
        await walks(walk);
      } catch (error) {
        fault(`${size} ${name}`, error.message.split('\n')[0]);
        await page.screenshot({ path: join(args.out, `${size}-failed-${name}.png`) }).catch(() => {});
        // Without a session or a record there is nothing more to see.
        if (NEEDED.includes(name)) break;
      }
    }
    dosesSeen += walk.dosesSeen;
    await context.close();
  }
} finally {
  await browser.close();
}
if (args['expect-doses'] && !dosesSeen) fault('round', 'no dose waited at any size');
if (faults.length) {
  console.error(`${faults.length} faults:\n- ${faults.join('\n- ')}`);
  process.exit(1);
}
console.log('every page walked, no faults');
