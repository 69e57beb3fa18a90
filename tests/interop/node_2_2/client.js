// The Node SDK of Fabric 2.2 (fabric-network, fabric-ca-client) on one of our networks: `node client.js SETTINGS.json`
// prints one JSON object. Settings: profile (a common connection profile), authority (its name there), registrar and
// secret, mspid, channel, chaincode, others (the MSP id of another member). It enrols a user of its own with Fabric CA.
'use strict';
const { readFileSync } = require('node:fs');
const FabricCAServices = require('fabric-ca-client');
const { Gateway, Wallets } = require('fabric-network');
const yaml = require('js-yaml');

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const profile = yaml.load(readFileSync(settings.profile, 'utf8'));

async function enrolled(wallet) {
    const entry = profile.certificateAuthorities[settings.authority];
    const trustedRoots = entry.tlsCACerts.pem ?? [readFileSync(entry.tlsCACerts.path)];
    const authority = new FabricCAServices(entry.url, { trustedRoots, verify: entry.httpOptions.verify }, entry.caName);
    const identity = (enrolment) => ({
        type: 'X.509',
        mspId: settings.mspid,
        credentials: { certificate: enrolment.certificate, privateKey: enrolment.key.toBytes() },
    });
    const { registrar, secret } = settings;
    const held = identity(await authority.enroll({ enrollmentID: registrar, enrollmentSecret: secret }));
    await wallet.put(registrar, held);
    const user = await wallet.getProviderRegistry().getProvider(held.type).getUserContext(held, registrar);
    const name = `user${Date.now()}`;
    const attrs = [{ name: 'desk', value: '7', ecert: true }];
    const given = await authority.register({ enrollmentID: name, affiliation: 'org1.department1', attrs }, user);
    await wallet.put(name, identity(await authority.enroll({ enrollmentID: name, enrollmentSecret: given })));
    return name;
}

async function failure(promise) {
    try {
        await promise;
        return undefined;
    } catch (error) {
        return { name: error.name, code: error.transactionCode, message: error.message };
    }
}

async function tour() {
    const wallet = await Wallets.newInMemoryWallet();
    const gateway = new Gateway();
    const options = { wallet, identity: await enrolled(wallet), discovery: { enabled: true, asLocalhost: settings.asLocalhost } };
    await gateway.connect(profile, options);
    const answer = {};
    try {
        const network = await gateway.getNetwork(settings.channel);
        const contract = network.getContract(settings.chaincode);
        // Before its first transaction: this SDK keeps the endorsers that it found.
        contract.addDiscoveryInterest({ name: settings.chaincode, collectionNames: ['agreed'] });
        const submit = (name, how = {}) => {
            const transaction = contract.createTransaction(name);
            if (how.by) transaction.setEndorsingOrganizations(...how.by);
            if (how.transient) transaction.setTransient(how.transient);
            return transaction;
        };
        const key = `old${Date.now()}`;
        const blocks = [];
        await network.addBlockListener(async (event) => { blocks.push(event); }, { type: 'full' });
        const privates = [];
        await network.addBlockListener(async (event) => { privates.push(event); }, { type: 'private' });
        const heard = new Promise((resolve) => {
            contract.addContractListener(async (event) => {
                if (event.eventName === key) resolve(event.payload.toString());
            });
        });
        answer.submitted = (await contract.submitTransaction('increment', key)).toString();
        answer.evaluated = (await contract.evaluateTransaction('get', key)).toString();
        answer.who = JSON.parse((await contract.evaluateTransaction('who')).toString());
        await contract.submitTransaction('announce', key, '12 kWh');
        answer.event = await heard;

        await submit('put_private', { transient: { value: Buffer.from('hidden') } }).submit('agreed', key);
        answer.private = (await contract.evaluateTransaction('get_private', 'agreed', key)).toString();
        answer.agreedByOne = await failure(
            submit('put_private', { transient: { value: Buffer.from('x') }, by: [settings.mspid] }).submit('agreed', key));
        await contract.submitTransaction('require_organizations', key, JSON.stringify([settings.mspid, settings.others]));
        answer.keyByOne = await failure(submit('increment', { by: [settings.mspid] }).submit(key));
        answer.keyByBoth = (await submit('increment', { by: [settings.mspid, settings.others] }).submit(key)).toString();
        answer.refused = await failure(contract.submitTransaction('refuse', key));

        const deadline = Date.now() + 20000;
        const collections = () => privates.flatMap((event) => event.getTransactionEvents())
            .flatMap((event) => event.privateData?.ns_pvt_rwset ?? [])
            .flatMap((written) => written.collection_pvt_rwset.map((entry) => entry.collection_name));
        while ((blocks.length === 0 || collections().length < 2) && Date.now() < deadline) {
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        answer.blocksHeard = blocks.length > 0;
        answer.privateHeard = collections();
    } finally {
        gateway.disconnect();
    }
    return answer;
}

tour().then((answer) => console.log(JSON.stringify(answer)), (error) => {
    console.error(error);
    process.exitCode = 1;
});
