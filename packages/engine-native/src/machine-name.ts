const DECORATION = /\(r\)|\(tm\)|\bcpu\b|\bprocessor\b|\b\d+-core\b|@.*$|\(.*?\)/g;

/**
 * A name for a machine by its parts, which says more to others than its host name and nothing of
 * its owner: `amd-ryzen-9-7950x-16-cores-nvidia-geforce-rtx-4090`.
 */
export function machineName(cpuModel: string, cores: number, gpu?: string): string {
  const parts = [words(cpuModel) || 'unknown', String(cores), cores === 1 ? 'core' : 'cores'];
  if (gpu !== undefined) parts.push(words(gpu) || 'gpu');
  return parts.join('-').slice(0, 200);
}

function words(model: string): string {
  const plain = model.toLowerCase().replace(DECORATION, ' ');
  return (plain.match(/[a-z0-9]+/g) ?? []).join('-');
}
