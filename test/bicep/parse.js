// Prints the syntax trees of Bicep files as JSON: node parse.js FILE...
// A parameter file declares "param name = value", which the grammar does not
// know; there the word is read as "var", of the same form.
const fs = require('fs');
const path = require('path');
const { Parser, Language } = require('web-tree-sitter');

const plain = (node, field) => ({
  kind: node.type,
  field: field || undefined,
  start: node.startIndex,
  end: node.endIndex,
  row: node.startPosition.row + 1,
  name: node.isNamed || undefined,
  bad: node.isError || node.isMissing || undefined,
  children: node.children.map((child, i) => plain(child, node.fieldNameForChild(i))),
});

(async () => {
  await Parser.init();
  const grammar = path.join(path.dirname(require.resolve('tree-sitter-bicep/package.json')), 'tree-sitter-bicep.wasm');
  const parser = new Parser();
  parser.setLanguage(await Language.load(grammar));
  const trees = process.argv.slice(2).map((file) => {
    let text = fs.readFileSync(file, 'latin1');
    if (file.endsWith('.bicepparam')) text = text.replace(/^param (?=\w+ =)/gm, 'var   ');
    return plain(parser.parse(text).rootNode);
  });
  process.stdout.write(JSON.stringify(trees));
})();
