// SPDX-License-Identifier: Apache-2.0
// Values by key as a contract in TypeScript, started by the library's own command: `fabric-chaincode-node server`.
import { Context, Contract, Info, Returns, Transaction } from 'fabric-contract-api';

@Info({ title: 'Assets', description: 'Values by key' })
export class Assets extends Contract {
    constructor() {
        super('Assets');
    }

    @Transaction()
    public async put(context: Context, key: string, value: string): Promise<void> {
        await context.stub.putState(key, Buffer.from(value));
    }

    @Transaction(false)
    @Returns('string')
    public async get(context: Context, key: string): Promise<string> {
        return Buffer.from(await context.stub.getState(key)).toString();
    }

    @Transaction()
    public async put_private(context: Context, collection: string, key: string): Promise<void> {
        const value = context.stub.getTransient().get('value');
        await context.stub.putPrivateData(collection, key, value ?? Buffer.alloc(0));
    }

    @Transaction(false)
    @Returns('string')
    public async get_private(context: Context, collection: string, key: string): Promise<string> {
        return Buffer.from(await context.stub.getPrivateData(collection, key)).toString();
    }

    @Transaction(false)
    @Returns('string')
    public async peer(context: Context): Promise<string> {
        return context.stub.getMspID();
    }
}

export const contracts: unknown[] = [Assets];
