import type { Server, ServerResponse } from 'node:http';
import { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { onClosed } from '../answers/answer-end.ts';

/** Connections without a current request, the longest idle first, and the number of current requests. */
export interface IdleConnections {
  /** Returns the number of current requests. */
  openRequests(): number;
  /**
   * Ends TLS connections that have not finished their handshake, which a stranger may never do.
   * Node does not count them as http connections.
   */
  endHandshakes(): void;
}

/**
 * Limits the connections that wait for a request, and those that wait for their handshake. Beyond
 * the limit the one that has waited longest is closed. Its client was slow or idle, and a
 * keep-alive client connects again.
 */
export function boundIdleConnections(server: Server, max: number): IdleConnections {
  const idle = new Set<Socket>();
  let requests = 0;
  const openRequests = () => requests;
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
    requests += 1;
    onClosed(res, () => {
      requests -= 1;
      add(socket);
    });
  });
  if (!(server instanceof TlsServer)) {
    server.on('connection', open);
    return { openRequests, endHandshakes: () => undefined };
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
    openRequests,
    endHandshakes: () => {
      for (const socket of handshakes.values()) socket.destroy();
    },
  };
}

/**
 * Returns a key: the socket of a handshake and that of its TLS connection are two objects with one
 * address.
 */
const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
