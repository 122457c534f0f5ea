// Reads what a GGUF vocabulary needs of a SentencePiece model (a protobuf `ModelProto`): pieces with scores and types,
// the special ids, and whether a space is put in front of a text.

/** Piece types are numbered alike in SentencePiece and in GGUF. */
export const PIECE_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };

/**
 * @typedef {{ text: string, score: number, type: number }} Piece
 *
 * @typedef {object} SentencePieceModel
 * @property {Piece[]} pieces
 * @property {number} unknown id of the unknown token, as `bos` and `eos` are ids
 * @property {number} bos
 * @property {number} eos
 * @property {boolean} addDummyPrefix
 * @property {boolean} removeExtraWhitespaces
 */

/**
 * @param {Buffer} file
 * @returns {SentencePieceModel}
 */
export function parseSentencePiece(file) {
  /** @type {SentencePieceModel} */
  const model = { pieces: [], unknown: 0, bos: 1, eos: 2, addDummyPrefix: true, removeExtraWhitespaces: true };
  for (const { field, value } of fieldsOf(file)) {
    if (field === 1) model.pieces.push(parsePiece(asBytes(value)));
    else if (field === 2) readTrainerSpec(asBytes(value), model);
    else if (field === 3) readNormalizerSpec(asBytes(value), model);
  }
  return model;
}

/**
 * @param {Buffer} message
 * @returns {Piece}
 */
function parsePiece(message) {
  const piece = { text: "", score: 0, type: PIECE_TYPE.normal };
  for (const { field, value } of fieldsOf(message)) {
    if (field === 1) piece.text = asBytes(value).toString("utf8");
    else if (field === 2) piece.score = asFloat(value);
    else if (field === 3) piece.type = Number(value);
  }
  return piece;
}

/**
 * @param {Buffer} message
 * @param {SentencePieceModel} model
 */
function readTrainerSpec(message, model) {
  for (const { field, value } of fieldsOf(message)) {
    if (field === 40) model.unknown = Number(value);
    else if (field === 41) model.bos = Number(value);
    else if (field === 42) model.eos = Number(value);
  }
}

/**
 * @param {Buffer} message
 * @param {SentencePieceModel} model
 */
function readNormalizerSpec(message, model) {
  for (const { field, value } of fieldsOf(message)) {
    if (field === 3) model.addDummyPrefix = value !== 0;
    else if (field === 4) model.removeExtraWhitespaces = value !== 0;
  }
}

/** Protobuf wire types. */
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 };

/**
 * The fields of one protobuf message, in order: varints and 32-bit values as numbers (the latter as raw bits), strings
 * and messages as bytes. 64-bit fixed values are passed over, as no field that is read here has one.
 * @param {Buffer} message
 * @returns {Generator<{ field: number, value: number | Buffer }>}
 */
function* fieldsOf(message) {
  let offset = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message.readUInt8(offset++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (offset < message.length) {
    const key = varint();
    const field = key >>> 3;
    const wire = key & 7;
    if (wire === WIRE.varint) {
      yield { field, value: varint() };
    } else if (wire === WIRE.bytes) {
      const length = varint();
      yield { field, value: message.subarray(offset, offset + length) };
      offset += length;
    } else if (wire === WIRE.fixed32) {
      yield { field, value: message.readUInt32LE(offset) };
      offset += 4;
    } else if (wire === WIRE.fixed64) {
      offset += 8;
    } else {
      throw new Error(`Not a SentencePiece model: wire type ${wire} before byte ${offset}`);
    }
  }
}

/** @param {number | Buffer} value */
function asBytes(value) {
  if (typeof value === "number") throw new Error("Not a SentencePiece model: a number where a message belongs");
  return value;
}

/** @param {number | Buffer} bits */
function asFloat(bits) {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, Number(bits));
  return view.getFloat32(0);
}
