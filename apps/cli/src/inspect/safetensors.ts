import { openArtifact } from '@thermocline/contracts';
import { formatBytes } from '@thermocline/runtime';
import { table } from '../table.js';
import { colors, oneLine } from '../terminal.js';
import { heading, type Report, type ReportOptions, shorten } from './report.js';

/** Any other safetensors file: its metadata and tensors. */
export async function inspectSafetensors(path: string, options: ReportOptions): Promise<Report> {
  const artifact = await openArtifact(path);
  try {
    const metadata = Object.fromEntries(artifact.metadata);
    const tensors = [...artifact.tensors].map(([name, { type, shape, byteLength }]) => ({
      name,
      type,
      shape: [...shape],
      bytes: byteLength,
    }));
    const rows = tensors.map(({ name, type, shape, bytes }) => [
      oneLine(name),
      type,
      shape.join(' × '),
      formatBytes(bytes),
    ]);
    return {
      json: { metadata, tensors },
      lines: [
        heading('safetensors file'),
        colors.dim('  no artifact of Thermocline; a model is its whole folder'),
        ...Object.entries(metadata).map(([key, value]) => `  ${oneLine(key)}: ${oneLine(value)}`),
        '',
        ...shorten(rows, options, (shown) =>
          table(shown, { head: ['tensor', 'type', 'shape', 'size'], right: [3] }),
        ),
      ],
    };
  } finally {
    await artifact.close();
  }
}
