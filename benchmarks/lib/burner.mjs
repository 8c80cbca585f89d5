// Keeps one core busy with arithmetic that touches no memory, until it is killed.
let value = 1;
process.stdout.write('burning\n');
for (;;) value = (value * 1103515245 + 12345) % 2147483648;
