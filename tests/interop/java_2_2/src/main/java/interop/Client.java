// SPDX-License-Identifier: Apache-2.0

package interop;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.hyperledger.fabric.gateway.Contract;
import org.hyperledger.fabric.gateway.ContractException;
import org.hyperledger.fabric.gateway.Gateway;
import org.hyperledger.fabric.gateway.Identities;
import org.hyperledger.fabric.gateway.Identity;
import org.hyperledger.fabric.gateway.Network;
import org.hyperledger.fabric.gateway.Transaction;
import org.hyperledger.fabric.gateway.Wallet;
import org.hyperledger.fabric.gateway.Wallets;
import org.hyperledger.fabric.sdk.Enrollment;
import org.hyperledger.fabric.sdk.NetworkConfig;
import org.hyperledger.fabric.sdk.User;
import org.hyperledger.fabric.sdk.security.CryptoSuiteFactory;
import org.hyperledger.fabric_ca.sdk.HFCAClient;
import org.hyperledger.fabric_ca.sdk.RegistrationRequest;

/**
 * The Java SDK of Fabric 2.2 on one of our networks: {@code Client SETTINGS.json} prints one JSON object. Settings:
 * profile (a common connection profile), authority (its name there), registrar and secret, mspid, others (another
 * member's MSP id), channel, chaincode. It enrols a user of its own with Fabric CA.
 */
public final class Client {
    private static final String USER = "user" + System.nanoTime();
    private final JsonObject settings;
    private final Map<String, Object> answer = new LinkedHashMap<>();

    private Client(JsonObject settings) {
        this.settings = settings;
    }

    public static void main(String[] arguments) throws Exception {
        // Discovery names peers at 127.0.0.1 here, which is where they are.
        System.setProperty("org.hyperledger.fabric.sdk.service_discovery.as_localhost", "false");
        try (Reader file = Files.newBufferedReader(Path.of(arguments[0]))) {
            Client client = new Client(JsonParser.parseReader(file).getAsJsonObject());
            client.tour();
            System.out.println(new Gson().toJson(client.answer));
            System.exit(0); // this SDK leaves threads behind, at failures too
        } catch (Throwable error) {
            error.printStackTrace();
            System.exit(1);
        }
    }

    private void tour() throws Exception {
        Wallet wallet = Wallets.newInMemoryWallet();
        wallet.put(USER, enrolled());
        Gateway.Builder builder = Gateway.createBuilder()
                .identity(wallet, USER).networkConfig(Path.of(text("profile"))).discovery(true);
        try (Gateway gateway = builder.connect()) {
            transactions(gateway.getNetwork(text("channel")));
        }
    }

    private Identity enrolled() throws Exception {
        NetworkConfig profile = NetworkConfig.fromYamlFile(Path.of(text("profile")).toFile());
        NetworkConfig.CAInfo authority = profile.getClientOrganization().getCertificateAuthorities().stream()
                .filter(found -> found.getName().equals(text("authority"))).findFirst().orElseThrow();
        HFCAClient client = HFCAClient.createNewInstance(authority);
        client.setCryptoSuite(CryptoSuiteFactory.getDefault().getCryptoSuite());
        Enrollment held = client.enroll(text("registrar"), text("secret"));
        RegistrationRequest request = new RegistrationRequest(USER, "org1.department1");
        Enrollment enrolment = client.enroll(USER, client.register(request, new Registrar(held)));
        return Identities.newX509Identity(text("mspid"), enrolment);
    }

    private void transactions(Network network) throws Exception {
        Contract contract = network.getContract(text("chaincode"));
        String key = "java" + System.nanoTime();
        CompletableFuture<String> heard = new CompletableFuture<>();
        contract.addContractListener(event -> heard.complete(
                new String(event.getPayload().orElseThrow(), StandardCharsets.UTF_8)), key);
        answer.put("submitted", text(contract.submitTransaction("increment", key)));
        answer.put("evaluated", text(contract.evaluateTransaction("get", key)));
        contract.submitTransaction("announce", key, "12 kWh");
        answer.put("event", heard.get(20, TimeUnit.SECONDS));
        String both = "[\"" + text("mspid") + "\", \"" + text("others") + "\"]";

        hidden(contract, network, text("mspid"), text("others")).submit("agreed", key);
        answer.put("private", text(contract.evaluateTransaction("get_private", "agreed", key)));
        answer.put("agreedByOne", failure(hidden(contract, network, text("mspid")), "agreed", key));
        contract.submitTransaction("require_organizations", key, both);
        answer.put("keyByOne", failure(by(contract, network, "increment", text("mspid")), key));
        answer.put("keyByBoth", text(by(contract, network, "increment", text("mspid"), text("others")).submit(key)));
        answer.put("refused", failure(contract.createTransaction("refuse"), key));
    }

    private static Transaction hidden(Contract contract, Network network, String... organizations) throws Exception {
        Transaction transaction = by(contract, network, "put_private", organizations);
        return transaction.setTransient(Map.of("value", "hidden".getBytes(StandardCharsets.UTF_8)));
    }

    private static Transaction by(Contract contract, Network network, String name, String... organizations)
            throws Exception {
        List<String> wanted = List.of(organizations);
        var channel = network.getChannel();
        var peers = channel.getPeers().stream()
                .filter(peer -> wanted.stream().anyMatch(mspid -> {
                    try {
                        return channel.getPeersForOrganization(mspid).contains(peer);
                    } catch (Exception error) {
                        throw new IllegalStateException(error);
                    }
                })).collect(Collectors.toList());
        return contract.createTransaction(name).setEndorsingPeers(peers);
    }

    private static Map<String, Object> failure(Transaction transaction, String... arguments) throws Exception {
        try {
            transaction.submit(arguments);
            return null;
        } catch (ContractException error) {
            return Map.of("code", String.valueOf(error.getMessage()), "message", messages(error));
        }
    }

    private static String messages(ContractException error) {
        return error.getMessage() + error.getProposalResponses().stream()
                .map(response -> " " + response.getMessage()).collect(Collectors.joining());
    }

    private String text(String name) {
        return settings.get(name).getAsString();
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** Who registers, as this SDK wants to see it. */
    private final class Registrar implements User {
        private final Enrollment enrollment;

        Registrar(Enrollment enrollment) {
            this.enrollment = enrollment;
        }

        @Override public String getName() {
            return text("registrar");
        }

        @Override public java.util.Set<String> getRoles() {
            return null;
        }

        @Override public String getAccount() {
            return null;
        }

        @Override public String getAffiliation() {
            return null;
        }

        @Override public Enrollment getEnrollment() {
            return enrollment;
        }

        @Override public String getMspId() {
            return text("mspid");
        }
    }
}
