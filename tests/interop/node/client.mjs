// The official Node client on one of our networks: `node client.mjs tour|load|scenarios SETTINGS.json` prints one JSON
// object. Settings: profile (a common connection profile), organization, certificate, privateKey, channel, chaincode,
// for `load` also transaction, count and inFlight, for `scenarios` also others (another member's MSP id).
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as grpc from '@grpc/grpc-js';
import { checkpointers, CommitError, connect, hash, signers, StatusCode } from '@hyperledger/fabric-gateway';
import { load as parseYaml } from 'js-yaml';

const [verb, file] = process.argv.slice(2);
const settings = JSON.parse(readFileSync(file, 'utf8'));
const profile = parseYaml(readFileSync(settings.profile, 'utf8'));
const organization = profile.organizations[settings.organization];
const peer = profile.peers[organization.peers[0]];
const tlsCertificate = peer.tlsCACerts.pem ?? readFileSync(peer.tlsCACerts.path);
const grpcClient = new grpc.Client(
    new URL(peer.url).host,
    grpc.credentials.createSsl(Buffer.from(tlsCertificate)),
    { 'grpc.ssl_target_name_override': peer.grpcOptions?.['ssl-target-name-override'] },
);
const identity = { mspId: organization.mspid, credentials: readFileSync(settings.certificate) };
const signer = signers.newPrivateKeySigner(createPrivateKey(readFileSync(settings.privateKey)));
const gateway = connect({ client: grpcClient, identity, signer, hash: hash.sha256 });
const network = gateway.getNetwork(settings.channel);
const contract = network.getContract(settings.chaincode);
const text = (bytes) => Buffer.from(bytes).toString();

async function failure(promise) {
    try {
        await promise;
        return undefined;
    } catch (error) {
        return {
            kind: error.name,
            code: error.code,
            message: error.message,
            transactionId: error.transactionId,
            details: (error.details ?? []).map((detail) => ({ ...detail })),
        };
    }
}

async function first(events) {
    try {
        for await (const event of events) {
            return event;
        }
    } finally {
        events.close();
    }
}

async function tour() {
    const key = `node${Date.now()}`;
    const answer = {};
    answer.submitted = text(await contract.submitTransaction('increment', key));
    answer.evaluated = text(await contract.evaluateTransaction('get', key));
    const submitted = await contract.submitAsync('increment', { arguments: [key] });
    answer.resultBeforeCommit = text(submitted.getResult());
    const status = await submitted.getStatus();
    answer.status = { code: status.code, successful: status.successful };

    const announced = await contract.submitAsync('announce', { arguments: ['Sunny', '12 kWh'] });
    const announcedStatus = await announced.getStatus();
    const event = await first(await network.getChaincodeEvents(settings.chaincode, { startBlock: announcedStatus.blockNumber }));
    answer.event = {
        name: event.eventName,
        payload: text(event.payload),
        sameTransaction: event.transactionId === announced.getTransactionId(),
    };
    const checkpointer = checkpointers.inMemory();
    await checkpointer.checkpointChaincodeEvent(event);
    await contract.submitTransaction('announce', 'Cloudy', '3 kWh');
    answer.afterCheckpoint = (await first(await network.getChaincodeEvents(settings.chaincode, { checkpoint: checkpointer }))).eventName;

    const options = { startBlock: announcedStatus.blockNumber };
    answer.block = Number((await first(await network.getBlockEvents(options))).getHeader().getNumber());
    answer.filteredBlock = Number((await first(await network.getFilteredBlockEvents(options))).getNumber());
    answer.blockAndPrivateData = Number(
        (await first(await network.getBlockAndPrivateDataEvents(options))).getBlock().getHeader().getNumber(),
    );
    answer.blockNumber = Number(announcedStatus.blockNumber);

    answer.endorseError = await failure(contract.submitTransaction('refuse', key));
    answer.evaluateError = await failure(contract.evaluateTransaction('refuse', key));
    answer.unknownChaincode = await failure(network.getContract('nowhere').submitTransaction('put', 'a', 'b'));
    return answer;
}

async function scenarios() {
    const key = `node${Date.now()}`;
    const alone = { endorsingOrganizations: [organization.mspid] };
    const hidden = { arguments: ['agreed', key], transientData: { value: 'hidden' } };
    const answer = {};
    answer.submitted = text(await contract.submitTransaction('increment', key));
    answer.evaluated = text(await contract.evaluateTransaction('get', key));
    answer.offline = await signedElsewhere(key);

    const announced = await contract.submitAsync('announce', { arguments: [key, '12 kWh'] });
    const { blockNumber } = await announced.getStatus();
    const event = await first(await network.getChaincodeEvents(settings.chaincode, { startBlock: blockNumber }));
    answer.event = {
        name: event.eventName,
        payload: text(event.payload),
        sameTransaction: event.transactionId === announced.getTransactionId(),
    };

    const kept = await contract.submitAsync('put_private', hidden);
    const privateBlock = (await kept.getStatus()).blockNumber;
    answer.private = text(await contract.evaluateTransaction('get_private', 'agreed', key));
    answer.agreedByOne = await verdict(contract.submit('put_private', { ...hidden, ...alone }));
    await contract.submitTransaction('require_organizations', key, JSON.stringify([organization.mspid, settings.others]));
    answer.keyByOne = await verdict(contract.submit('increment', { arguments: [key], ...alone }));
    answer.keyByBoth = text(await contract.submitTransaction('increment', key));
    answer.refused = await verdict(contract.submitTransaction('refuse', key));

    const options = { startBlock: privateBlock };
    const block = await first(await network.getBlockAndPrivateDataEvents(options));
    answer.privateHeard = [];
    block.getPrivateDataMapMap().forEach((written) => {
        for (const namespace of written.getNsPvtRwsetList()) {
            answer.privateHeard.push(...namespace.getCollectionPvtRwsetList().map((entry) => entry.getCollectionName()));
        }
    });
    answer.sameBlock = BigInt(block.getBlock().getHeader().getNumber()) === privateBlock
        && BigInt((await first(await network.getBlockEvents(options))).getHeader().getNumber()) === privateBlock
        && BigInt((await first(await network.getFilteredBlockEvents(options))).getNumber()) === privateBlock;
    return answer;
}

// A gateway without a key sends what the signer signed: proposal, transaction, question for its commit.
async function signedElsewhere(key) {
    const offline = connect({ client: grpcClient, identity, hash: hash.sha256 });
    try {
        const unsigned = offline.getNetwork(settings.channel).getContract(settings.chaincode)
            .newProposal('increment', { arguments: [key] });
        const proposal = offline.newSignedProposal(unsigned.getBytes(), await signer(unsigned.getDigest()));
        const endorsed = await proposal.endorse();
        const transaction = offline.newSignedTransaction(endorsed.getBytes(), await signer(endorsed.getDigest()));
        const sent = await transaction.submit();
        const commit = offline.newSignedCommit(sent.getBytes(), await signer(sent.getDigest()));
        return { result: text(transaction.getResult()), successful: (await commit.getStatus()).successful };
    } finally {
        offline.close();
    }
}

// The validation code of a transaction that did not commit, or the gRPC status of a call that failed.
async function verdict(promise) {
    try {
        await promise;
        return null;
    } catch (error) {
        if (error instanceof CommitError) {
            return { code: Object.keys(StatusCode).find((name) => StatusCode[name] === error.code) };
        }
        return { code: grpc.status[error.code], details: error.details.map((detail) => `${detail.mspId}: ${detail.message}`) };
    }
}

async function load() {
    let left = settings.count;
    let committed = 0;
    let failed = 0;
    const worker = async (number) => {
        while (left-- > 0) {
            try {
                await contract.submitTransaction(settings.transaction, `n${process.pid}-${number}-${left}`, 'x');
                committed += 1;
            } catch (error) {
                failed += 1;
            }
        }
    };
    await contract.evaluateTransaction('get', 'absent');
    const cpuBefore = process.cpuUsage();
    const began = process.hrtime.bigint();
    await Promise.all(Array.from({ length: settings.inFlight }, (_, number) => worker(number)));
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    const cpu = process.cpuUsage(cpuBefore);
    return { committed, failed, seconds, cpu_s: (cpu.user + cpu.system) / 1e6 };
}

try {
    console.log(JSON.stringify(await { tour, load, scenarios }[verb]()));
} finally {
    gateway.close();
    grpcClient.close();
}
