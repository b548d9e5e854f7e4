// The wire format of Protocol Buffers, as far as ONNX files need it: varints, 32-bit floats and length-delimited fields.
// Files are written whole and read only at the top level (for metadata), so a schema compiler would be the larger part.

/** A message under construction: its fields' bytes in order. */
export type Message = Uint8Array[];

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value)); // Negative numbers are ten bytes of two's complement.
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
}

export function addInt(message: Message, field: number, value: number): void {
  message.push(varint(field * 8), varint(value));
}

export function addFloat(message: Message, field: number, value: number): void {
  message.push(varint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer));
}

export function addBytes(message: Message, field: number, bytes: Uint8Array): void {
  message.push(varint(field * 8 + 2), varint(bytes.length), bytes);
}

export function addText(message: Message, field: number, text: string): void {
  addBytes(message, field, new TextEncoder().encode(text));
}

export function addMessage(message: Message, field: number, part: Message): void {
  const length = part.reduce((sum, bytes) => sum + bytes.length, 0);
  message.push(varint(field * 8 + 2), varint(length));
  for (const bytes of part) message.push(bytes);
}

export function toBytes(message: Message): Uint8Array {
  const bytes = new Uint8Array(message.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of message) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The length-delimited fields of a message with this number. Throws where the bytes are not a message. */
export function readFields(bytes: Uint8Array, field: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('protobuf: the message is cut off');
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = number();
    const wire = tag & 7;
    if (wire === 0) number();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = number();
      if (at + length > bytes.length) throw new Error('protobuf: the message is cut off');
      if (Math.floor(tag / 8) === field) found.push(bytes.subarray(at, at + length));
      at += length;
    } else throw new Error(`protobuf: unknown wire type ${wire}`);
  }
  return found;
}
