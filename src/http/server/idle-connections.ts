import type { Server, ServerResponse } from 'node:http';
import { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Connections without a request under way, the longest idle first. */
export interface IdleConnections {
  /** Ends TLS connections that have not shaken hands, which a stranger need never do. Node counts them as none of http's. */
  endHandshakes(): void;
}

/**
 * Bounds how many connections wait for a request, and how many for their handshake: beyond the bound the one that has waited longest is
 * closed. Its client was slow or idle, and a keep-alive client connects again.
 */
export function boundIdleConnections(server: Server, max: number): IdleConnections {
  const idle = new Set<Socket>();
  const handshakes = new Map<string, Socket>();
  const add = (socket: Socket) => {
    if (socket.destroyed) return;
    idle.add(socket);
    const [longest] = idle;
    if (idle.size > max) longest?.destroy();
  };
  const open = (socket: Socket) => {
    socket.once('close', () => idle.delete(socket));
    add(socket);
  };
  server.on('request', ({ socket }, res: ServerResponse) => {
    idle.delete(socket);
    res.once('close', () => add(socket));
  });
  if (!(server instanceof TlsServer)) {
    server.on('connection', open);
    return { endHandshakes: () => undefined };
  }
  server.on('connection', (socket: Socket) => {
    const key = keyOf(socket);
    handshakes.set(key, socket);
    socket.once('close', () => {
      if (handshakes.get(key) === socket) handshakes.delete(key);
    });
    const [longest] = handshakes.values();
    if (handshakes.size > max) longest?.destroy();
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    handshakes.delete(keyOf(socket));
    open(socket);
  });
  return {
    endHandshakes: () => {
      for (const socket of handshakes.values()) socket.destroy();
    },
  };
}

/** The socket of a handshake and the one of its TLS connection are two objects of one address. */
const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
