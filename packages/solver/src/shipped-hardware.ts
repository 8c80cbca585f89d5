import {
  type HardwareInfo,
  PipelineError,
  parseHardwareInfo,
  readHardwareInfo,
} from '@thermocline/contracts';
import mSeries from '../hardware/m-series.json' with { type: 'json' };
import rtx2080ti from '../hardware/rtx-2080ti-pc.json' with { type: 'json' };
import rtx4090 from '../hardware/rtx-4090-pc.json' with { type: 'json' };
import thisMachine from '../hardware/this-machine.json' with { type: 'json' };

// Imported, so that bundlers carry them along in both module systems.
const SHIPPED = new Map<string, unknown>(
  [mSeries, rtx2080ti, rtx4090, thisMachine].map((file) => [file.name, file]),
);

/** Names of the machines that come with this package. */
export function shippedHardware(): string[] {
  return [...SHIPPED.keys()];
}

/**
 * The machine of that name, or else the one described in that file. A path with a separator or
 * ending in `.json` is always a file.
 *
 * @throws PipelineError `INVALID_ARGUMENT` naming the machines there are, `FILE_NOT_FOUND`,
 * `ARTIFACT_CORRUPT`
 *
 * @example
 * const hardware = await findHardware('rtx-4090-pc');
 */
export async function findHardware(nameOrPath: string): Promise<HardwareInfo> {
  const shipped = SHIPPED.get(nameOrPath);
  if (shipped !== undefined) return parseHardwareInfo(shipped);
  if (/[\\/]|\.json$/.test(nameOrPath)) return readHardwareInfo(nameOrPath);
  const reason = `no machine is called "${nameOrPath}"; there are ${shippedHardware().join(', ')}`;
  throw new PipelineError(
    'INVALID_ARGUMENT',
    `${reason.charAt(0).toUpperCase()}${reason.slice(1)}. Or name a file that \`thermocline probe --json\` wrote.`,
    { argument: 'hardware', reason },
  );
}
