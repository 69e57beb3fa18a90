// The test chaincode of tests/behaviour/chaincode/probe.py on the official Node library: the same names and answers.
import fs from 'node:fs';
import shim from 'fabric-shim';

const text = (bytes) => Buffer.from(bytes ?? '').toString();
const json = (value) => Buffer.from(JSON.stringify(value));
const rowsOf = async (iterator, row) => {
    const rows = [];
    for (let next = await iterator.next(); ; next = await iterator.next()) {
        if (next.value) {
            rows.push(row(next.value));
        }
        if (next.done) {
            await iterator.close();
            return rows;
        }
    }
};

const transactions = {
    async put(stub, key, value) {
        const before = await stub.getState(key);
        await stub.putState(key, Buffer.from(value));
        return before;
    },
    async get(stub, key) {
        return stub.getState(key);
    },
    async delete(stub, key) {
        await stub.deleteState(key);
    },
    async increment(stub, key) {
        const number = Number(text(await stub.getState(key)) || '0') + 1;
        await stub.putState(key, Buffer.from(String(number)));
        return json(number);
    },
    async put_many(stub, prefix, count) {
        for (let number = 0; number < Number(count); number += 1) {
            await stub.putState(`${prefix}${String(number).padStart(6, '0')}`, Buffer.from(String(number)));
        }
        return Buffer.from(count);
    },
    async range(stub, start, end) {
        const iterator = await stub.getStateByRange(start, end);
        return json(await rowsOf(iterator, (row) => ({ key: row.key, text: text(row.value) })));
    },
    async page(stub, start, end, size, bookmark) {
        const { iterator, metadata } = await stub.getStateByRangeWithPagination(start, end, Number(size), bookmark);
        return json([await rowsOf(iterator, (row) => row.key), metadata.bookmark]);
    },
    async rich(stub, query) {
        return json(await rowsOf(await stub.getQueryResult(query), (row) => row.key));
    },
    async rich_page(stub, query, size, bookmark) {
        const { iterator, metadata } = await stub.getQueryResultWithPagination(query, Number(size), bookmark);
        return json([await rowsOf(iterator, (row) => row.key), metadata.bookmark]);
    },
    async private_rich(stub, collection, query) {
        const { iterator } = await stub.getPrivateDataQueryResult(collection, query);
        return json(await rowsOf(iterator, (row) => row.key));
    },
    async put_composite(stub, objectType, attributes, value) {
        await stub.putState(stub.createCompositeKey(objectType, JSON.parse(attributes)), Buffer.from(value));
    },
    async partial(stub, objectType, attributes) {
        const iterator = await stub.getStateByPartialCompositeKey(objectType, JSON.parse(attributes));
        return json(await rowsOf(iterator, (row) => stub.splitCompositeKey(row.key).attributes));
    },
    async history(stub, key) {
        const iterator = await stub.getHistoryForKey(key);
        return json(
            await rowsOf(iterator, (row) => [row.txId, text(row.value), Number(row.timestamp.seconds), row.isDelete]),
        );
    },
    async put_private(stub, collection, key) {
        await stub.putPrivateData(collection, key, stub.getTransient().get('value'));
    },
    async get_private(stub, collection, key) {
        return stub.getPrivateData(collection, key);
    },
    async get_private_hash(stub, collection, key) {
        return Buffer.from(Buffer.from(await stub.getPrivateDataHash(collection, key)).toString('hex'));
    },
    async announce(stub, name, value) {
        await stub.putState('announced', Buffer.from(value));
        stub.setEvent(name, Buffer.from(value));
    },
    async refuse() {
        throw new Error('not_today: this transaction always refuses');
    },
};

class Probe {
    async Init() {
        return shim.success();
    }

    async Invoke(stub) {
        const { fcn, params } = stub.getFunctionAndParameters();
        try {
            if (!Object.hasOwn(transactions, fcn)) {
                throw new Error(`no transaction ${fcn}`);
            }
            return shim.success(Buffer.from((await transactions[fcn](stub, ...params)) ?? ''));
        } catch (error) {
            return shim.error(error.message);
        }
    }
}

const { env } = process;
await shim
    .server(new Probe(), {
        ccid: env.CHAINCODE_ID,
        address: env.CHAINCODE_SERVER_ADDRESS,
        tlsProps: {
            key: fs.readFileSync(env.CHAINCODE_TLS_KEY),
            cert: fs.readFileSync(env.CHAINCODE_TLS_CERT),
            clientCACerts: fs.readFileSync(env.CHAINCODE_CLIENT_CA_CERT),
        },
    })
    .start();
