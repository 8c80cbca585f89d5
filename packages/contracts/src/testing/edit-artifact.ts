import { openArtifact, writeArtifact } from '../artifact.js';
import type { TensorData } from '../tensor.js';

/** An artifact taken apart, so that a test can change something and write it again. */
export interface ArtifactParts {
  metadata: Map<string, string>;
  tensors: TensorData[];
  /** Where in the file each tensor starts. */
  starts: number[];
}

export async function rebuild(path: string): Promise<ArtifactParts> {
  const artifact = await openArtifact(path);
  try {
    const tensors: TensorData[] = [];
    for (const { name, type, shape } of artifact.tensors.values()) {
      tensors.push({ name, type, shape, data: await artifact.read(name, type) });
    }
    const starts = [...artifact.tensors.values()].map((tensor) => tensor.offset);
    return { metadata: new Map(artifact.metadata), tensors, starts };
  } finally {
    await artifact.close();
  }
}

/** Changes something in an artifact, as the sender of a bad one would. */
export async function rewrite(path: string, change: (parts: ArtifactParts) => void): Promise<void> {
  const parts = await rebuild(path);
  change(parts);
  await writeArtifact(path, parts.metadata, parts.tensors);
}
