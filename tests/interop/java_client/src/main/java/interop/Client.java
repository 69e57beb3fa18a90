// SPDX-License-Identifier: Apache-2.0

package interop;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.TlsChannelCredentials;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.hyperledger.fabric.client.ChaincodeEvent;
import org.hyperledger.fabric.client.CloseableIterator;
import org.hyperledger.fabric.client.CommitException;
import org.hyperledger.fabric.client.Contract;
import org.hyperledger.fabric.client.Gateway;
import org.hyperledger.fabric.client.GatewayException;
import org.hyperledger.fabric.client.Hash;
import org.hyperledger.fabric.client.Network;
import org.hyperledger.fabric.client.Proposal;
import org.hyperledger.fabric.client.SubmittedTransaction;
import org.hyperledger.fabric.client.identity.Identities;
import org.hyperledger.fabric.client.identity.Signer;
import org.hyperledger.fabric.client.identity.Signers;
import org.hyperledger.fabric.client.identity.X509Identity;
import org.hyperledger.fabric.protos.peer.BlockAndPrivateData;

/**
 * The official Java client on one of our networks: {@code Client SETTINGS.json} prints one JSON object. Settings: peer,
 * peerName, tlsCertificate, certificate, privateKey, mspid, others (another member's MSP id), channel, chaincode.
 */
public final class Client {
    private final JsonObject settings;
    private final Signer signer;
    private final Map<String, Object> answer = new LinkedHashMap<>();

    private Client(JsonObject settings) throws Exception {
        this.settings = settings;
        try (Reader key = Files.newBufferedReader(path("privateKey"))) {
            signer = Signers.newPrivateKeySigner(Identities.readPrivateKey(key));
        }
    }

    public static void main(String[] arguments) throws Exception {
        try (Reader file = Files.newBufferedReader(Path.of(arguments[0]))) {
            Client client = new Client(JsonParser.parseReader(file).getAsJsonObject());
            client.tour();
            System.out.println(new Gson().toJson(client.answer));
        }
    }

    private void tour() throws Exception {
        ManagedChannel connection = Grpc.newChannelBuilder(text("peer"),
                TlsChannelCredentials.newBuilder().trustManager(path("tlsCertificate").toFile()).build())
                .overrideAuthority(text("peerName")).build();
        try (Reader certificate = Files.newBufferedReader(path("certificate"))) {
            X509Identity identity = new X509Identity(text("mspid"), Identities.readX509Certificate(certificate));
            Gateway.Builder builder = Gateway.newInstance().identity(identity).hash(Hash.SHA256).connection(connection);
            try (Gateway offline = builder.connect(); Gateway connected = builder.signer(signer).connect()) {
                transactions(connected, offline);
            }
        } finally {
            connection.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
        }
    }

    private void transactions(Gateway connected, Gateway offline) throws Exception {
        Network network = connected.getNetwork(text("channel"));
        Contract contract = network.getContract(text("chaincode"));
        String key = "java" + System.nanoTime();
        answer.put("submitted", text(contract.submitTransaction("increment", key)));
        answer.put("evaluated", text(contract.evaluateTransaction("get", key)));
        answer.put("offline", signedElsewhere(offline, key));

        SubmittedTransaction announced =
                contract.newProposal("announce").addArguments(key, "12 kWh").build().endorse().submitAsync();
        long start = announced.getStatus().getBlockNumber();
        try (CloseableIterator<ChaincodeEvent> events =
                network.newChaincodeEventsRequest(text("chaincode")).startBlock(start).build().getEvents()) {
            ChaincodeEvent event = events.next();
            answer.put("event", Map.of("name", event.getEventName(), "payload", text(event.getPayload()),
                    "sameTransaction", event.getTransactionId().equals(announced.getTransactionId())));
        }

        SubmittedTransaction kept = hidden(contract, key).build().endorse().submitAsync();
        long privateBlock = kept.getStatus().getBlockNumber();
        answer.put("private", text(contract.evaluateTransaction("get_private", "agreed", key)));
        answer.put("agreedByOne", failure(hidden(contract, key).setEndorsingOrganizations(text("mspid"))));
        String both = "[\"" + text("mspid") + "\", \"" + text("others") + "\"]";
        contract.submitTransaction("require_organizations", key, both);
        answer.put("keyByOne", failure(
                contract.newProposal("increment").addArguments(key).setEndorsingOrganizations(text("mspid"))));
        answer.put("keyByBoth", text(contract.submitTransaction("increment", key)));
        answer.put("refused", failure(contract.newProposal("refuse").addArguments(key)));

        List<String> collections = new ArrayList<>();
        try (CloseableIterator<BlockAndPrivateData> blocks =
                network.newBlockAndPrivateDataEventsRequest().startBlock(privateBlock).build().getEvents()) {
            BlockAndPrivateData block = blocks.next();
            block.getPrivateDataMapMap().values().forEach(written -> written.getNsPvtRwsetList().forEach(
                    name -> name.getCollectionPvtRwsetList().forEach(
                            collection -> collections.add(collection.getCollectionName()))));
            answer.put("privateHeard", collections);
            answer.put("sameBlock", block.getBlock().getHeader().getNumber() == privateBlock
                    && blockNumber(network, privateBlock) == privateBlock
                    && filteredNumber(network, privateBlock) == privateBlock);
        }
    }

    private static long blockNumber(Network network, long start) {
        try (var blocks = network.newBlockEventsRequest().startBlock(start).build().getEvents()) {
            return blocks.next().getHeader().getNumber();
        }
    }

    private static long filteredNumber(Network network, long start) {
        try (var blocks = network.newFilteredBlockEventsRequest().startBlock(start).build().getEvents()) {
            return blocks.next().getNumber();
        }
    }

    /** A gateway without a key sends what the signer signed: proposal, transaction, question for its commit. */
    private Map<String, Object> signedElsewhere(Gateway offline, String key) throws Exception {
        Contract contract = offline.getNetwork(text("channel")).getContract(text("chaincode"));
        var unsigned = contract.newProposal("increment").addArguments(key).build();
        var proposal = offline.newSignedProposal(unsigned.getBytes(), signer.sign(unsigned.getDigest()));
        var endorsed = proposal.endorse();
        var transaction = offline.newSignedTransaction(endorsed.getBytes(), signer.sign(endorsed.getDigest()));
        var sent = transaction.submitAsync();
        var commit = offline.newSignedCommit(sent.getBytes(), signer.sign(sent.getDigest()));
        return Map.of("result", text(transaction.getResult()), "successful", commit.getStatus().isSuccessful());
    }

    private static Proposal.Builder hidden(Contract contract, String key) {
        return contract.newProposal("put_private").addArguments("agreed", key).putTransient("value", "hidden");
    }

    private static Map<String, Object> failure(Proposal.Builder proposal) {
        try {
            proposal.build().endorse().submit();
            return null;
        } catch (CommitException error) {
            return Map.of("code", error.getCode().name());
        } catch (GatewayException error) {
            List<String> details = new ArrayList<>();
            error.getDetails().forEach(detail -> details.add(detail.getMspId() + ": " + detail.getMessage()));
            return Map.of("code", error.getStatus().getCode().name(), "details", details);
        }
    }

    private Path path(String name) {
        return Path.of(text(name));
    }

    private String text(String name) {
        return settings.get(name).getAsString();
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
