// SPDX-License-Identifier: Apache-2.0

/** Thrown inside a parser of this folder when bytes run out or are left over; parsers turn it into a refusal. */
export class WireError extends Error {}

const ascii = /^[\0-\x7f]{0,200}$/;

/** Reads the SSH wire encoding (RFC 4251 section 5), every byte accounted for. */
export class WireReader {
  private at = 0;
  private readonly bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  take(length: number): Buffer {
    if (this.at + length > this.bytes.length) throw new WireError('the bytes end too early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  uint32(): number {
    return this.take(4).readUInt32BE(0);
  }

  string(): Buffer {
    return this.take(this.uint32());
  }

  text(): string {
    const bytes = this.string();
    const plain = bytes.toString('latin1');
    if (ascii.test(plain)) return plain;
    const text = bytes.toString('utf8');
    if (!Buffer.from(text, 'utf8').equals(bytes)) throw new WireError('a text is not UTF-8');
    return text;
  }

  /** A positive multiple-precision integer, without its sign byte. */
  mpint(): Buffer {
    const bytes = this.string();
    if (bytes.length === 0 || (bytes[0] ?? 0) >= 0x80) throw new WireError('an integer is not positive');
    if (bytes[0] !== 0) return bytes;
    if (bytes.length > 1 && (bytes[1] ?? 0) < 0x80) throw new WireError('an integer has a needless zero');
    return bytes.subarray(1);
  }

  rest(): Buffer {
    return this.take(this.bytes.length - this.at);
  }

  end(): void {
    if (this.at !== this.bytes.length) throw new WireError('bytes are left over');
  }
}

export const wireString = (data: string | Uint8Array): Buffer => {
  const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
  const bytes = Buffer.allocUnsafe(4 + length);
  bytes.writeUInt32BE(length);
  if (typeof data === 'string') bytes.write(data, 4);
  else bytes.set(data, 4);
  return bytes;
};

export const wireUint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** A positive integer as mpint: with a zero in front where the first bit is set. */
export const wireMpint = (value: Uint8Array): Buffer => {
  let start = 0;
  while (start < value.length && value[start] === 0) start += 1;
  const trimmed = Buffer.from(value.subarray(start));
  return wireString((trimmed[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), trimmed]) : trimmed);
};
