import assert from 'node:assert/strict';
import test from 'node:test';
import { detectBytes, detectText } from './detect.ts';

const typeOf = (path: string, text: string): string => {
  const { type, language } = detectBytes(path, new TextEncoder().encode(text)) ?? detectText(path, text);
  return language === null ? type : `${type} ${language}`;
};

test('a file is known by its name, by how it begins, and by its first bytes before both', () => {
  const cases: readonly (readonly [path: string, text: string, type: string])[] = [
    ['/a/README.md', 'x', 'markdown'],
    ['/a/x.PY', 'x', 'code python'],
    ['/a/x.test.tsx', 'x', 'code javascript'],
    ['/a/X.java', 'x', 'code java'],
    ['/a/x.hpp', 'x', 'code c'],
    ['/a/x.go', 'x', 'code'],
    ['/a/x.tsv', 'x', 'csv'],
    ['/a/x.jsonl', 'x', 'json'],
    ['/a/x', '<!DOCTYPE html><p>x', 'html'],
    ['/a/x', '#!/usr/bin/env python3\nx', 'code python'],
    ['/a/x', '#!/usr/bin/env -S node --x\nx', 'code javascript'],
    ['/a/x', '#!/bin/sh\nx', 'code'],
    ['/a/x', '{"a": 1}', 'json'],
    ['/a/x', '{a template}', 'text'],
    ['/a/x', '# A title\n\nText.', 'markdown'],
    ['/a/x', '---\ntitle: x\n---\nText.', 'markdown'],
    ['/a/Makefile', 'all:\n\tcc x.c', 'text'],
    ['/a/x.unknown', 'words', 'text'],
    ['/a/x.txt', '%PDF-1.7', 'pdf'],
    ['/a/x.md', 'PK\u0003\u0004', 'docx'],
    ['/a/x.pdf', 'no PDF', 'pdf'],
  ];
  for (const [path, text, type] of cases) assert.equal(typeOf(path, text), type, path + text);
});
