// SPDX-License-Identifier: Apache-2.0
import { sha256 } from './digest.ts';

// Short, common words that sound unlike one another, so that people can read them to each other over a telephone.
const list = `
  acorn amber anchor angle apple april arrow atlas autumn axle badge bagel bamboo banjo barrel basil beacon beaver
  bell birch bishop blanket blossom boat bonus border bottle bowl branch bread brick bridge bronze bucket buffalo
  butter button cabin cable cactus camel candle canoe canyon carbon cargo carpet castle cedar cello chalk cherry
  chess chimney circle citrus clover cobalt cocoa comet copper coral cotton cradle crater cricket crown crystal
  cycle daisy dancer delta denim desert diamond dolphin domino donkey dragon drum eagle earth echo elbow elder
  ember engine falcon feather fern fiddle finger flame flute forest fossil fountain fox frost galaxy garden garlic
  gazelle ginger glacier globe goblet gold granite grape gravel guitar hammer harbor harvest hazel helmet heron
  hickory honey horizon hotel iceberg igloo indigo iris island ivory jacket jaguar jasmine jelly jigsaw jungle
  juniper kayak kernel kettle kitten kiwi koala ladder lagoon lantern lasso laurel lemon leopard library lilac
  linen lizard lobster locket lotus magnet mango maple marble meadow melon meteor mirror mitten monkey moose
  mosaic motor mountain mustard nectar needle nickel nutmeg oasis ocean olive onion opal orange orbit orchid otter
  oyster paddle palace panda paper parrot peach pearl pebble pencil pepper piano picnic pilot pine planet plum
  pocket polar pony poplar portal potato prism pumpkin puzzle quartz quiver rabbit radar radio raven ribbon river
  robin rocket rose ruby saddle saffron salmon sandal satin scarf shadow shell silver slate spider spiral sponge
  squirrel stable statue summer sunset swan table tango teapot temple thunder tiger timber tomato topaz tractor
  trumpet tulip tunnel turtle umbrella valley
`
  .trim()
  .split(/\s+/);

/** Six words for a digest, a fingerprint or any text: 48 bits of its SHA-256, one word a byte. For people; never compared by code. */
export const fingerprintWords = (text: string | Uint8Array): readonly string[] =>
  [...sha256(text).subarray(0, 6)].map((byte) => list[byte] ?? '');
