/** Visits the page in Firefox by WebDriver BiDi, with keys where there are keys, and prints as JSON what was seen. */

import puppeteer from "puppeteer-core";

const PATIENCE = 120_000; // milliseconds, as in pages.py
const TABS = 80;
const SETTLED = "main[aria-busy=false]"; // what is shown is computed: the panel is not drawn anew
const [executablePath, address] = process.argv.slice(2);
const wrong = [];

const browser = await puppeteer.launch({ browser: "firefox", executablePath, protocolTimeout: PATIENCE, timeout: PATIENCE });
try {
  const page = await browser.newPage(); // which has the focus
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && wrong.push(message.text()));
  await page.setViewport({ width: 1280, height: 720 });
  await page.goto(address);
  await page.waitForSelector("html[data-ready]");
  const start = await page.evaluate(() => location.hash);
  await page.waitForSelector(".story-cause.image");
  const opening = await pressed(page, "Tab", (wanted) => document.activeElement.matches(wanted), ".story-cause.image");
  await page.keyboard.press("Enter");
  const gradient = await tabbed(page, "#cause-image .story-cell", "dw[");
  gradient.tabs += opening;
  const update = await tabbed(page, ".computation-like:last-child", ".update[");
  const nudged = await nudging(page, "conv1.w[0,0,2,2]");
  const hall = await inTheHall(page);
  await page.reload(); // the address is a link to what is shown
  const link = { ...(await shown(page)), hall: await page.evaluate(() => document.documentElement.hasAttribute("data-hall")) };
  const walk = await walking(page);
  process.stdout.write(JSON.stringify({ start, gradient, update, nudged, hall, link, walk, wrong }));
} finally {
  await browser.close();
}

function texts(page, selector) {
  return page.$$eval(selector, (all) => all.map((each) => each.innerText));
}

/** Returns the name and the value of the cell shown. */
async function shown(page) {
  await page.waitForSelector(".computation-value");
  const [[name], [value]] = [await texts(page, ".computation-name"), await texts(page, ".computation-value")];
  return { name, value };
}

/** Presses a key until a condition holds in the page; returns how often. */
async function pressed(page, key, holds, ...given) {
  for (let count = 0; count < TABS; count += 1) {
    if (await page.evaluate(holds, ...given)) return count;
    await page.keyboard.press(key);
  }
  throw new Error(`${key} does not lead to ${given.join(" ") || holds}`);
}

/** Reaches a control by Tab, presses Enter, and waits for a cell whose name contains a text. */
async function tabbed(page, selector, part) {
  const tabs = await pressed(page, "Tab", (wanted) => document.activeElement.matches(`${wanted}:focus-visible`), selector);
  await page.keyboard.press("Enter");
  await page.waitForFunction((text) => document.querySelector(".computation-name")?.textContent.includes(text), {}, part);
  await page.waitForFunction(() => document.activeElement.matches(".computation-name"));
  return { ...(await shown(page)), tabs };
}

/** Moves the slider of a weight. */
async function nudging(page, weight) {
  await goTo(page, weight, "forward");
  await page.evaluate((cell) => (location.hash = location.hash.replace(/&why=.*/u, `&why=${cell}`)), weight);
  await page.waitForSelector(`.sheet-cell.thread[data-cell="${weight}"]`);
  await page.waitForSelector("main[aria-busy=false]"); // or the sheet would be drawn again, with another slider
  await page.click(".sheet-marks button[title*='The step']");
  const slider = await page.waitForSelector(".sheet-side input[type=range]");
  const [before] = await texts(page, ".bars");
  await slider.focus();
  await page.keyboard.press("End");
  await page.waitForFunction((old) => document.querySelector(".bars").innerText !== old, {}, before);
  const [words] = await texts(page, ".computation-nudge-words");
  const probabilities = await texts(page, ".bars .number");
  await page.focus(".computation-name");
  return { words, probabilities };
}

/** Goes to a cell of the image and step shown. */
async function goTo(page, cell, phase) {
  await page.evaluate((place) => {
    location.hash = location.hash.replace(/#\/network\/?[^?]*/u, place);
  }, `#/network/${phase}/${cell}`);
  await page.waitForFunction((name) => document.querySelector(".computation-name")?.textContent === name, {}, cell);
  await page.waitForSelector(SETTLED);
}

/** Turns on the mode for the lecture hall; returns the size of the title's letters before and after. */
async function inTheHall(page) {
  const size = () => page.$eval(".computation-what", (title) => parseFloat(getComputedStyle(title).fontSize));
  const before = await size();
  await page.keyboard.press("l");
  await page.waitForSelector("html[data-hall]");
  return [before, await size()];
}

/** Goes on and back in the walk by its keys; returns the titles of the stops. */
async function walking(page) {
  await page.keyboard.press("l");
  await page.waitForSelector("html:not([data-hall])");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".computation-panel", { hidden: true });
  await page.evaluate(() => (location.hash = "#/network?sample=0&stop=2"));
  await page.waitForFunction(() => document.querySelector(".sheet-where").innerText.startsWith("2 of"));
  await page.waitForSelector(SETTLED);
  const titles = await texts(page, ".sheet-talk h2");
  await page.focus(".sheet-step.go");
  for (const key of ["ArrowRight", "ArrowLeft"]) {
    await page.keyboard.press(key);
    await page.waitForFunction((last) => document.querySelector(".sheet-talk h2").innerText !== last, {}, titles.at(-1));
    titles.push(...(await texts(page, ".sheet-talk h2")));
  }
  return titles;
}
