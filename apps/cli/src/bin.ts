#!/usr/bin/env node
import { main } from './main.js';

// `probe` keeps many reads of the drive in flight; the pool is made at its first use, so its
// size has to be known before anything else.
if (process.argv[2] === 'probe') process.env['UV_THREADPOOL_SIZE'] ??= '32';

void main(process.argv.slice(2));
