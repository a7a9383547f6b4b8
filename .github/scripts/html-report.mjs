// Usage: node html-report.mjs FILE [FOLDER]
//
// Opens the HTML report of a broken server in headless Chromium, at the sizes of a desktop and of a phone, and fails if
// it has an error, sends a request, is too wide, or does not show the failed check in the first screen. Screenshots
// and printed pages are written to FOLDER. See html-report.sh.
import path from 'node:path';
import {pathToFileURL} from 'node:url';
import puppeteer from 'puppeteer-core';

const [file, folder] = process.argv.slice(2);
const address = pathToFileURL(path.resolve(file)).href;
const sizes = {desktop: {width: 1280, height: 800}, phone: {width: 390, height: 844, isMobile: true, hasTouch: true}};

let failures = 0;
function check(what, ok, details = '') {
  if (!ok) {
    failures++;
    console.error(`html-report: ${what} ${details}`);
  }
}

// measure runs in the page.
function measure() {
  const broken = document.querySelector('.check.failed');
  const box = broken.getBoundingClientRect();
  return {
    text: broken.textContent,
    open: broken.open && broken.querySelector('pre').checkVisibility(),
    top: box.top,
    bottom: box.bottom,
    right: box.right,
    wide: document.documentElement.scrollWidth,
    styled: getComputedStyle(document.querySelector('header')).borderLeftStyle === 'solid',
    background: getComputedStyle(document.body).backgroundColor,
    scripts: document.scripts.length,
  };
}

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM,
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [], // Chromium's sandbox does not work for root
});
try {
  for (const [name, viewport] of Object.entries(sizes)) {
    const backgrounds = new Set();
    for (const scheme of ['light', 'dark']) {
      const page = await browser.newPage();
      const where = `${name}, ${scheme}:`;
      page.on('console', message => check(`${where} the console says`, false, message.text()));
      page.on('pageerror', error => check(`${where} an error`, false, error.message));
      page.on('request', request => check(`${where} a request to`, request.url() === address, request.url()));
      await page.setViewport(viewport);
      await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: scheme}]);
      await page.goto(address, {waitUntil: 'networkidle0'});
      const got = await page.evaluate(measure);
      const details = JSON.stringify({...got, text: undefined});
      check(`${where} there is a script`, got.scripts === 0, details);
      check(`${where} the style does not apply`, got.styled, details);
      check(`${where} the page is too wide`, got.wide <= viewport.width && got.right <= viewport.width, details);
      check(`${where} the failed check is not open`, got.open, details);
      check(`${where} the failed check is not in the first screen`, got.top > 0 && got.bottom < viewport.height, details);
      check(`${where} the failed check lacks its request`, /POST .*\/log_out/.test(got.text), got.text);
      backgrounds.add(got.background);
      if (folder) {
        await page.screenshot({path: path.join(folder, `${name}-${scheme}.png`)});
        await page.pdf({path: path.join(folder, `${name}-${scheme}.pdf`), format: 'A4', preferCSSPageSize: true});
      }
      // With every check open, too, the page must fit.
      const wide = await page.evaluate(() => {
        document.querySelectorAll('details').forEach(d => { d.open = true; });
        return document.documentElement.scrollWidth;
      });
      check(`${where} with all checks open, the page is too wide:`, wide <= viewport.width, wide);
      // The keyboard folds the failed check, and paper shows it all the same.
      await page.focus('.check.failed summary');
      await page.keyboard.press('Enter');
      const folded = await page.evaluate(() => !document.querySelector('.check.failed').open);
      check(`${where} the keyboard does not fold a check`, folded);
      await page.emulateMediaType('print');
      const printed = await page.evaluate(() => ({
        visible: document.querySelector('.check.failed .body').checkVisibility(),
        background: getComputedStyle(document.body).backgroundColor,
        color: getComputedStyle(document.body).color,
      }));
      check(`${where} in print, the failed check is folded`, printed.visible, JSON.stringify(printed));
      check(`${where} print is not black on white`, printed.background === 'rgb(255, 255, 255)' && printed.color === 'rgb(0, 0, 0)',
        JSON.stringify(printed));
      await page.close();
    }
    check(`${name}: dark mode does not differ`, backgrounds.size === 2, [...backgrounds].join());
  }
} finally {
  await browser.close();
}
if (failures > 0) {
  process.exit(1);
}
console.log(`html-report: no error, no request and no overflow; the failed check is in the first screen (${Object.keys(sizes).join(', ')})`);
