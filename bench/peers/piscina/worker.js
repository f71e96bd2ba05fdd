// worker.js: the tasks of pool.js, one per name.
// SPDX-License-Identifier: MIT
'use strict';

exports.noop = () => {};

exports.echo = (value) => value;

exports.burn = (steps) => {
  let x = 1;
  for (let i = 0; i < steps; i++) x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff;
  return x;
};
