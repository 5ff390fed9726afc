// What the scripts share: their arguments, the browser, and a session of a member of staff.
import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

// The arguments of a script, or an end with 2 on wrong usage.
export function readArguments(script, more = {}) {
  const { values } = parseArgs({
    options: {
      base: { type: 'string' }, name: { type: 'string' }, pin: { type: 'string' }, out: { type: 'string' },
      help: { type: 'boolean' }, ...more,
    },
  });
  if (values.help || !values.base || !values.name || !values.pin || !values.out) {
    console.error(`usage: node ${script} --base URL --name 'NAME OF STAFF' --pin PIN --out FOLDER`);
    process.exit(values.help ? 0 : 2);
  }
  mkdirSync(values.out, { recursive: true });
  return values;
}

export const launch = () => chromium.launch({
  executablePath: process.env.HEARTH_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});

// Faults as they are found; `end` tells them all and ends the script.
export function faultList() {
  const faults = [];
  const fault = (where, what) => { faults.push(`${where}: ${what}`); console.error(`FAULT ${where}: ${what}`); };
  const end = (good) => {
    if (faults.length) {
      console.error(`${faults.length} faults:\n- ${faults.join('\n- ')}`);
      process.exit(1);
    }
    console.log(good);
  };
  return { fault, end };
}

// A page that asks no other machine and whose scripts do not fail.
export async function openPage(browser, args, options, fault, where) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10000);
  page.on('request', (request) => {
    // The browser shows a PDF by parts of its own, which have addresses too.
    const { origin, protocol } = new URL(request.url());
    if (origin !== new URL(args.base).origin && /^(http|ws)/.test(protocol)) fault(where, `asks another machine: ${request.url()}`);
  });
  page.on('pageerror', (error) => fault(where, `script error: ${error.message}`));
  return page;
}

export async function signIn(page, args) {
  await page.goto(new URL('/unlock', args.base).href);
  await page.getByRole('link', { name: new RegExp(args.name) }).first().click();
  await page.locator('#pin').fill(args.pin);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => !url.pathname.startsWith('/unlock'));
}
