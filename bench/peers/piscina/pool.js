// pool.js MODE DIRECTORY: figures of piscina, npm's pool of worker threads, taken as tidepool's are.
//
// DIRECTORY has node_modules with piscina in it. Prints lines of name, tab, value.
// SPDX-License-Identifier: MIT
'use strict';

const assert = require('node:assert');
const path = require('node:path');
const { Piscina } = require(require.resolve('piscina', { paths: [process.argv[3]] }));
const { burn } = require('./worker.js');

const quick = process.argv[2] === 'quick';
const now = () => Number(process.hrtime.bigint()) * 1e-9;
const emit = (name, value) => console.log(`${name}\t${value.toPrecision(9)}`);
const quantile = (samples, q) =>
  samples.sort((a, b) => a - b)[Math.floor(q * (samples.length - 1))];
const median = (samples) => quantile(samples, 0.5);

const open = (threads) => new Piscina({
  filename: path.join(__dirname, 'worker.js'), minThreads: threads, maxThreads: threads,
});

async function times(repeats, fn) {
  const samples = [];
  for (let i = 0; i < repeats; i++) {
    const start = now();
    await fn();
    samples.push(now() - start);
  }
  return samples;
}

async function roundTrips() {
  const pool = open(1);
  const roundTrip = () => pool.run(undefined, { name: 'noop' });
  await times(300, roundTrip);
  const samples = await times(quick ? 500 : 5000, roundTrip);
  emit('roundtrip_p50', median(samples));
  emit('roundtrip_p99', quantile(samples, 0.99));
  await pool.destroy();
}

async function throughput() {
  const pool = open(2), tasks = quick ? 5000 : 20000;
  const submitAndCollect = async () => {
    const promises = [];
    for (let i = 0; i < tasks; i++) promises.push(pool.run(undefined, { name: 'noop' }));
    for (const promise of promises) await promise;
  };
  await submitAndCollect();
  emit('tasks_per_second', tasks / median(await times(quick ? 1 : 3, submitAndCollect)));
  await pool.destroy();
}

async function payloads() {
  const list = (n, fn) => Array.from({ length: n }, (_, i) => fn(i + 1));
  const pool = open(1);
  for (const [name, value, repeats] of [
    ['string_1mib', 'x'.repeat(1 << 20), 20],
    ['string_64mib', 'x'.repeat(64 << 20), 2],
    ['integers', list(100000, (i) => i), 10],
    ['floats', list(100000, (i) => i + 0.5), 10],
    ['records', list(10000, (i) => ({ id: i, name: `name${i}`, tags: ['a', 'b'] })), 10],
  ]) {
    let back;
    const thereAndBack = async () => { back = await pool.run(value, { name: 'echo' }); };
    if (!quick) await thereAndBack();
    const samples = await times(quick ? Math.ceil(repeats / 5) : repeats, thereAndBack);
    assert.deepStrictEqual(back, value);
    emit(`payload_${name}`, median(samples));
  }
  await pool.destroy();
}

async function cpu() {
  const tasks = quick ? 16 : 64, pool = open(2);
  await times(5, () => burn(20000000)); // the compiler of this thread
  const took = median(await times(5, () => burn(20000000)));
  const steps = Math.floor(20000000 * 0.020 / took), expected = burn(steps);
  const parallel = async () => {
    const promises = [];
    for (let i = 0; i < tasks; i++) promises.push(pool.run(steps, { name: 'burn' }));
    for (const promise of promises) assert.strictEqual(await promise, expected);
  };
  await parallel(); // and those of the others
  let alone = 0, together = 0;
  for (let i = 0; i < (quick ? 1 : 2); i++) {
    alone += median(await times(1, () => { for (let j = 0; j < tasks; j++) burn(steps); }));
    together += median(await times(1, parallel));
  }
  emit('cpu_speedup', alone / together);
  await pool.destroy();
}

async function startup() {
  const oneTask = async () => {
    const pool = new Piscina({
      filename: path.join(__dirname, 'worker.js'), minThreads: 1, maxThreads: 8,
    });
    await pool.run(undefined, { name: 'noop' });
    await pool.destroy();
  };
  await oneTask();
  emit('startup_one_task', median(await times(quick ? 2 : 5, oneTask)));
}

async function main() {
  await roundTrips();
  await throughput();
  await payloads();
  await cpu();
  await startup();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
