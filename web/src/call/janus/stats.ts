import type { CallStats, Sample } from '../ports';

interface RtpStats {
  type: string;
  kind?: string;
  packetsReceived?: number;
  framesDecoded?: number;
  packetsSent?: number;
  timestamp: number;
}

async function statsOf(pc: RTCPeerConnection | null | undefined): Promise<RtpStats[]> {
  if (!pc || pc.signalingState === 'closed') return [];
  const found: RtpStats[] = [];
  // It is a Map-like whose values TypeScript does not know.
  (await pc.getStats()).forEach((entry: RtpStats) => {
    found.push(entry);
  });
  return found;
}

export async function sampleOf(
  outgoing: RTCPeerConnection | null | undefined,
  incoming: RTCPeerConnection | null | undefined,
): Promise<Sample> {
  const [sent, received] = await Promise.all([statsOf(outgoing), statsOf(incoming)]);
  const out = sent.filter((entry) => entry.type === 'outbound-rtp');
  const reports = sent.filter((entry) => entry.type === 'remote-inbound-rtp');
  const inbound = received.filter((entry) => entry.type === 'inbound-rtp');
  return {
    sent: out.length > 0 ? sum(out, (entry) => entry.packetsSent) : null,
    reported: reports.length > 0 ? sum(reports, (entry) => entry.timestamp) : null,
    received: incoming
      ? sum(inbound, (entry) => (entry.packetsReceived ?? 0) + (entry.framesDecoded ?? 0))
      : null,
  };
}

export async function callStatsOf(
  incoming: RTCPeerConnection | null | undefined,
): Promise<CallStats> {
  const inbound = (await statsOf(incoming)).filter((entry) => entry.type === 'inbound-rtp');
  const of = (kind: string) => inbound.filter((entry) => entry.kind === kind);
  return {
    audioPackets: sum(of('audio'), (entry) => entry.packetsReceived),
    framesDecoded: sum(of('video'), (entry) => entry.framesDecoded),
  };
}

function sum(entries: RtpStats[], value: (entry: RtpStats) => number | undefined): number {
  return entries.reduce((total, entry) => total + (value(entry) ?? 0), 0);
}
