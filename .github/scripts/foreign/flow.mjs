// Logs in, logs out, and resets the password to what it is, with the fetch of Node.js. MAILS is the output of our server.
import { readFileSync } from 'node:fs';

const { BASE_URL, KALSHI_EMAIL: email, KALSHI_PASSWORD: password, MAILS } = process.env;

async function call(method, path, want, body, headers = {}) {
  const answer = await fetch(BASE_URL + path, {
    method, headers: { 'Content-Type': 'application/json', ...headers }, body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (answer.status !== want) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text && JSON.parse(text);
}

const { token } = await call('POST', '/log_in', 200, { email, password });
await call('POST', '/log_out', 204, undefined, { Authorization: `Bearer ${token}` });
await call('POST', '/passwords/reset', 202, { email });
const [, code, userId] = [...readFileSync(MAILS, 'utf8').matchAll(/code (\S+) user_id (\S+)/g)].at(-1);
await call('PUT', `/passwords/reset/${code}/confirm`, 204, { user_id: userId, password });
