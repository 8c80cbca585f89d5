// The line every runner here ends with: "N passed, N failed", with ", N skipped" where there are.

export function formatCounts({ passed, failed, skipped = 0 }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

export function sumCounts(list) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const counts of list) for (const key of Object.keys(total)) total[key] += counts[key] ?? 0;
  return total;
}

/** Reads the last line of a runner. A crash, or no such line, counts as one failure. */
export function lastCounts(output, status) {
  const line = (output ?? '').trimEnd().split('\n').at(-1) ?? '';
  const match = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(line.trim());
  if (!match) return { passed: 0, failed: 1, skipped: 0 };
  const [passed, failed, skipped] = [match[1], match[2], match[3] ?? 0].map(Number);
  return { passed, failed: status !== 0 && failed === 0 ? 1 : failed, skipped };
}

if (process.argv[1]?.endsWith('counts.mjs')) {
  // node scripts/counts.mjs "3 passed, 0 failed" "1 passed, 1 failed" -> "4 passed, 1 failed"
  const total = sumCounts(process.argv.slice(2).map((line) => lastCounts(line, 0)));
  console.log(formatCounts(total));
  process.exitCode = total.failed > 0 ? 1 : 0;
}
