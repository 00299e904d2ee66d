// SPDX-License-Identifier: Apache-2.0
// A thread that hashes entries: a run of them in one buffer comes in, their leaf hashes and block roots go out.
import { hashRun, type HashRun } from './hash-run.ts';
import { answerCalls } from './thread-calls.ts';

answerCalls((question) => hashRun(question as HashRun));
