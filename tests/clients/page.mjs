// The page in a browser: node page.mjs URL CHROMIUM. Ends with how many checks passed.
import assert from 'node:assert/strict';
import puppeteer from 'puppeteer-core';

const browser = await puppeteer.launch({ executablePath: process.argv[3], args: ['--no-sandbox', '--disable-dev-shm-usage'] });
try {
  const page = await browser.newPage(), outside = [], complaints = [];
  await page.setViewport({ width: 380, height: 700 });
  page.on('request', request => { if (!request.url().startsWith(process.argv[2]) && !request.url().startsWith('data:')) outside.push(request.url()); });
  page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()); });
  page.on('pageerror', error => complaints.push(error.message));
  await page.goto(process.argv[2]);
  await page.waitForFunction(() => document.querySelector('#facts').textContent.includes('at once'));
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page fits a small screen');

  // What is said, and what comes back, is text.
  await page.evaluate(() => { document.querySelector('#settings').open = true; document.querySelector('#max_tokens').value = '24'; document.querySelector('#temperature').value = '0.8'; });
  await page.type('#say', '<img src=x onerror=alert(1)><b>Hello</b>');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('.turn.assistant').length === 1 && !document.querySelector('#send').disabled, { timeout: 60000 });
  assert.equal(await page.evaluate(() => document.querySelectorAll('#talk img, #talk b').length), 0);
  const first = await page.evaluate(() => document.querySelector('.turn.assistant').textContent);
  assert.ok(first.length > 0);

  await page.click('#again');
  await page.waitForFunction(() => !document.querySelector('#send').disabled, { timeout: 60000 });
  assert.equal(await page.evaluate(() => document.querySelectorAll('.turn.assistant').length), 1);

  // Stop.
  await page.evaluate(() => { document.querySelector('#max_tokens').value = ''; });
  await page.type('#say', 'A long story, please.');
  await page.click('#send');
  await page.waitForFunction(() => document.querySelectorAll('.turn.assistant').length === 2 && document.querySelectorAll('.turn.assistant')[1].textContent.length > 0, { timeout: 60000 });
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => !document.querySelector('#send').disabled);

  // Light and dark.
  const colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await colour();
  await page.click('#theme');
  assert.notEqual(await colour(), before);

  // The promise.
  await page.evaluate(() => { document.querySelector('#promise').open = true; });
  await page.click('#prove');
  await page.waitForFunction(() => /^(Equal|Not)/.test(document.querySelector('#verdict').textContent), { timeout: 60000 });
  assert.match(await page.evaluate(() => document.querySelector('#verdict').textContent), /^Equal/);
  assert.deepEqual(outside, []);
  assert.deepEqual(complaints, []);
  console.log('page passed');
} finally {
  await browser.close();
}
