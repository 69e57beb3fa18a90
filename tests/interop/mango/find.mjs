// Runs Mango queries on PouchDB in memory: each line of standard input is {documents, indexes, queries}, each line of
// standard output the list of answers: the ids found, or null where PouchDB refuses the query.
import readline from 'node:readline';
import PouchDB from 'pouchdb-core';
import find from 'pouchdb-find';
import memory from 'pouchdb-adapter-memory';

PouchDB.plugin(memory).plugin(find);
console.warn = () => {};
let number = 0;

for await (const line of readline.createInterface({ input: process.stdin })) {
    const { documents, indexes, queries } = JSON.parse(line);
    const database = new PouchDB(`documents${(number += 1)}`, { adapter: 'memory' });
    await database.bulkDocs(documents);
    for (const fields of indexes) {
        await database.createIndex({ index: { fields } });
    }
    const answers = [];
    for (const query of queries) {
        try {
            answers.push((await database.find(query)).docs.map((document) => document._id));
        } catch {
            answers.push(null);
        }
    }
    await database.destroy();
    process.stdout.write(`${JSON.stringify(answers)}\n`);
}
