// Usage: node serve-page.mjs COMMAND [FOLDER]
//
// Uses the pages of kalshiauth serve in headless Chromium, and calls its API from pages of other origins. It fails if
// something does not work, if a page has an error, loads a foreign part or is too wide. See serve-page.sh.
import {spawn} from 'node:child_process';
import {createServer} from 'node:http';
import {mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import {chromium} from 'playwright-core';

const [command, folder] = process.argv.slice(2);
const email = 'trader@example.com', password = 'correct horse', newPassword = 'battery staple';
const userID = '4d519708-24e1-4eaf-a0bd-d1cc3689779d';
const sizes = {desktop: {width: 1280, height: 800}, phone: {width: 390, height: 844}};
writeFileSync('users.json', JSON.stringify([{email, password, user_id: userID}]));

let failures = 0;
function check(what, ok, details = '') {
  if (!ok) {
    failures++;
    console.error(`serve-page: ${what} ${typeof details === 'string' ? details : JSON.stringify(details)}`);
  }
}

const children = [];

// serve starts the server, and returns its base URL and the URL of its page.
async function serve(...args) {
  const child = spawn(command, ['serve', '-users', 'users.json', ...args], {stdio: ['ignore', 'pipe', 'pipe']});
  children.push(child);
  const found = {};
  let problem = '';
  child.stderr.on('data', text => { problem += text; });
  for await (const line of readline.createInterface({input: child.stdout})) {
    const [word, url] = line.split(' ');
    found[word] = url;
    if (word === 'serving') {
      child.stdout.resume();
      return {base: url, control: found.control};
    }
  }
  throw new Error(`serve ${args.join(' ')} has ended: ${problem}`);
}

async function json(method, url, body) {
  const answer = await fetch(url, {
    method, headers: body && {'Content-Type': 'application/json'}, body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  return {status: answer.status, ...(text ? JSON.parse(text) : {})};
}

const login = (base, word) => json('POST', `${base}/log_in`, {email, password: word});

// measure runs in a page.
const measure = () => ({
  wide: document.documentElement.scrollWidth,
  right: Math.max(...[...document.querySelectorAll('body *')].map(e => e.getBoundingClientRect().right)),
  scripts: document.scripts.length,
  styled: getComputedStyle(document.querySelector('section')).borderLeftStyle === 'solid',
  background: getComputedStyle(document.body).backgroundColor,
});

const options = {
  executablePath: process.env.CHROMIUM,
  chromiumSandbox: process.getuid?.() !== 0, // Chromium's sandbox does not work for root
  args: ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
};
const browser = await chromium.launch(options);

// usePages does what a person does with the pages, without scripts.
async function usePages(name, viewport, colorScheme) {
  const where = `${name}, ${colorScheme}:`;
  const {base, control} = await serve('-addr', 'localhost:0');
  const context = await browser.newContext({viewport, colorScheme, javaScriptEnabled: true, isMobile: name === 'phone'});
  const page = await context.newPage();
  const own = new URL(control).origin;
  page.on('console', message => check(`${where} the console says`, false, message.text()));
  page.on('pageerror', error => check(`${where} an error`, false, error.message));
  page.on('request', request => {
    const url = new URL(request.url());
    check(`${where} a request to`, url.origin === own || request.url() === 'data:,', request.url());
  });
  page.on('response', answer => check(`${where} an answer`, answer.status() < 400, `${answer.status()} ${answer.url()}`));
  const backgrounds = [];
  const look = async what => {
    const got = await page.evaluate(measure);
    check(`${where} ${what} is too wide`, got.wide <= viewport.width && got.right <= viewport.width, got);
    check(`${where} ${what} has a script, or no style`, got.scripts === 0 && got.styled, got);
    backgrounds.push(got.background);
    if (folder) {
      await page.screenshot({path: path.join(folder, `${what.replaceAll(' ', '-')}-${name}-${colorScheme}.png`), fullPage: true});
    }
  };

  await page.goto(control);
  await look('empty page');
  await json('POST', `${control}users`, {email: `${'a-very-long-name'.repeat(3)}@${'sub-domain.'.repeat(4)}example.com`});
  await json('PATCH', `${control}users/${email}`, {locked: true});
  check(`${where} a locked user logs in`, (await login(base, password)).status === 403);
  await json('PATCH', `${control}users/${email}`, {locked: false});
  check(`${where} the log-in fails`, (await login(base, password)).status === 200);
  await login(base, password);
  await json('POST', `${base}/passwords/reset`, {email});
  await json('POST', `${control}faults`, {fault: 'status', status: 503, on: 'GET /users/{user_id}/balance', times: 3});
  await fetch(`${base}/${'long'.repeat(60)}`);

  await page.getByRole('link', {name: 'Load it again'}).click();
  const text = await page.locator('main').innerText();
  for (const part of [email, userID, 'a-very-long-name', 'status 503', 'GET /users/{user_id}/balance', 'POST /v1/log_in', 'ResetPassword']) {
    check(`${where} the page lacks`, text.includes(part), part);
  }
  check(`${where} the page shows a password`, !(await page.content()).includes(password));
  const words = await page.evaluate(() => [...document.querySelectorAll('td, th')].filter(cell => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return /^[A-Za-z]+$/.test(cell.textContent) && range.getClientRects().length > 1;
  }).map(cell => cell.textContent));
  check(`${where} a word is broken:`, words.length === 0, words);
  check(`${where} the page does not count the sessions`, await page.locator('#sessions .count').innerText() === '2');
  await look('page');

  // The keyboard reaches the button, and the focus is visible.
  for (let i = 0; i < 10; i++) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(() => document.activeElement.textContent) === 'End all sessions') {
      break;
    }
  }
  const outline = await page.evaluate(() => [document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]);
  check(`${where} the keyboard does not show where it is`, outline[0] === 'End all sessions' && outline[1] === 'solid', outline);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  check(`${where} the button does not end the sessions`, (await json('GET', `${control}sessions`)).sessions.length === 0);
  check(`${where} after the button, the page is`, page.url() === control && (await page.innerText('main')).includes('Nobody is logged in'), page.url());

  // The link of the mail, and the same one on the page.
  const {mails: [mail]} = await json('GET', `${control}outbox`);
  await page.getByRole('link', {name: 'Set a new password'}).click();
  check(`${where} the link on the page is`, page.url() === mail.link, `${page.url()}, and that of the mail ${mail.link}`);
  await page.goto(mail.link);
  await look('reset form');
  check(`${where} the field has no focus`, await page.evaluate(() => document.activeElement.id === 'password'));
  await page.keyboard.type(newPassword);
  await Promise.all([page.waitForURL('**/password-set'), page.keyboard.press('Enter')]);
  await look('last page');
  check(`${where} the new password does not work`, (await login(base, newPassword)).status === 200);
  check(`${where} the old password works`, (await login(base, password)).status === 401);
  await page.getByRole('link').click();
  check(`${where} the last link leads to`, page.url() === control, page.url());
  check(`${where} the pages differ in color`, new Set(backgrounds).size === 1, backgrounds);
  await context.close();
  return backgrounds[0];
}

// usePagesWithoutScripts resets a password in a browser that runs no scripts. Its first try is a wrong one.
async function usePagesWithoutScripts() {
  const {base, control} = await serve('-addr', '127.0.0.1:0');
  const context = await browser.newContext({javaScriptEnabled: false});
  const page = await context.newPage();
  await json('POST', `${base}/passwords/reset`, {email});
  await page.goto((await json('GET', `${control}outbox`)).mails[0].link);
  for (const word of ['x', newPassword]) {
    await page.getByLabel('New password').fill(word);
    await page.getByRole('button').click();
    if (word === 'x') {
      check('no scripts: a short password has no message:', /password/.test(await page.getByRole('alert').innerText()));
    }
  }
  check('no scripts: the last page is', page.url().endsWith('/password-set'), page.url());
  check('no scripts: the new password does not work', (await login(base, newPassword)).status === 200);
  await context.close();
}

// foreign serves an empty page of another origin.
async function foreign() {
  const server = createServer((_, answer) => {
    answer.setHeader('Content-Type', 'text/html');
    answer.end('<!DOCTYPE html><link rel="icon" href="data:,"><title>Another page</title>');
  });
  await new Promise(resolve => { server.listen(0, '127.0.0.1', resolve); });
  return {port: server.address().port, close: () => server.close()};
}

// callFromPage logs in from a page, and then reads the balance with the cookie.
async function callFromPage(page, base) {
  return page.evaluate(async ([base, email, password, userID]) => {
    const send = async (method, path, body) => {
      const answer = await fetch(base + path, {method, body, credentials: 'include', headers: body ? {'Content-Type': 'application/json'} : {}});
      await answer.text();
      return {status: answer.status, id: answer.headers.get('X-Request-Id')};
    };
    try {
      const login = await send('POST', '/log_in', JSON.stringify({email, password}));
      return {login, balance: await send('GET', `/users/${userID}/balance`)};
    } catch (error) {
      return {error: String(error)};
    }
  }, [base, email, password, userID]);
}

// allowing is the settings of a browser that keeps the cookies of other sites. Without them, it may block those.
const allowing = JSON.stringify({profile: {cookie_controls_mode: 0, block_third_party_cookies: false}});

// useCORS calls the API from pages of other origins: another port of the same host, and another host.
async function useCORS() {
  const other = await foreign();
  const origins = [`http://localhost:${other.port}`, `http://127.0.0.1:${other.port}`];
  const cors = origins.flatMap(origin => ['-cors', origin]);
  const plain = await serve('-addr', 'localhost:0', ...cors);
  const secure = await serve('-addr', 'localhost:0', '-tls', ...cors);
  const closed = await serve('-addr', 'localhost:0', '-cors', 'http://localhost:1');
  // A page of 127.0.0.1 and a server called localhost are two sites: over http, the browser keeps no cookie.
  for (const [what, origin, base, balance] of [
    ['another port', origins[0], plain.base, 200],
    ['another site, http', origins[1], plain.base, 401],
    ['another port, TLS', origins[0], secure.base, 200],
    ['another site, TLS', origins[1], secure.base, 200],
    ['a page that may not', origins[0], closed.base, undefined],
  ]) {
    const profile = `profile ${what}`;
    mkdirSync(`${profile}/Default`, {recursive: true});
    writeFileSync(`${profile}/Default/Preferences`, allowing);
    const context = await chromium.launchPersistentContext(profile, {...options, ignoreHTTPSErrors: true});
    const page = await context.newPage();
    await page.goto(origin);
    const got = await callFromPage(page, base);
    check(`${what}: the log-in and the balance are`, got.balance?.status === balance, got);
    check(`${what}: the page cannot read the request ID`, !got.login || got.login.id?.startsWith('kalshiauthtest-'), got);
    await context.close();
  }

  // No page of another origin controls the server, not even one that may call the API.
  const context = await browser.newContext();
  const page = await context.newPage();
  await login(plain.base, password);
  for (const origin of origins) {
    await page.goto(origin);
    await page.evaluate(async control => {
      for (const [method, path, mode] of [['POST', 'reset', 'no-cors'], ['DELETE', 'sessions', 'cors'], ['POST', 'reset', 'cors']]) {
        await fetch(control + path, {method, mode, credentials: 'include'}).catch(() => {});
      }
    }, plain.control);
    const read = await page.evaluate(url => fetch(url).then(answer => answer.text(), () => 'refused'), `${plain.control}outbox`);
    check(`${origin} reads the outbox:`, read === 'refused', read);
    for (const target of ['end-sessions', 'reset']) {
      await page.goto(origin);
      await page.evaluate(action => {
        document.body.innerHTML = `<form method="post" action="${action}"><input name="token" value="x"><button>Go</button></form>`;
      }, plain.control + target);
      const [answer] = await Promise.all([page.waitForResponse(plain.control + target), page.click('button')]);
      check(`a form of ${origin} is`, answer.status() === 403, String(answer.status()));
    }
    await page.goto(origin);
    const frame = await page.evaluate(src => new Promise(resolve => {
      const frame = document.createElement('iframe');
      frame.onload = () => resolve(document.querySelector('iframe').contentDocument === null);
      frame.src = src;
      document.body.append(frame);
    }), plain.control);
    check(`${origin} frames the page`, frame && !(await Promise.all(page.frames().map(f => f.content()))).some(c => c.includes('End all sessions')));
  }
  const {sessions} = await json('GET', `${plain.control}sessions`);
  check('pages of other origins ended sessions', sessions.length > 0, sessions);
  await context.close();
  other.close();
}

try {
  for (const [name, viewport] of Object.entries(sizes)) {
    const light = await usePages(name, viewport, 'light');
    const dark = await usePages(name, viewport, 'dark');
    check(`${name}: dark mode does not differ`, light !== dark, light);
  }
  await usePagesWithoutScripts();
  await useCORS();
} finally {
  await browser.close();
  for (const child of children) {
    child.kill();
  }
}
if (failures > 0) {
  process.exit(1);
}
console.log(`serve-page: the pages work, without scripts, errors, overflow or foreign parts (${Object.keys(sizes).join(', ')}); ` +
  'pages of other origins can call the API, and not the control interface');
