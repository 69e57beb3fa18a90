// SPDX-License-Identifier: Apache-2.0
package interop;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Properties;
import org.hyperledger.fabric.metrics.Metrics;
import org.hyperledger.fabric.shim.ChaincodeBase;
import org.hyperledger.fabric.shim.ChaincodeServer;
import org.hyperledger.fabric.shim.ChaincodeStub;
import org.hyperledger.fabric.shim.NettyChaincodeServer;
import org.hyperledger.fabric.traces.Traces;

/** Meter readings on the shim itself: no contract, no annotations. */
public final class Meters extends ChaincodeBase {
    @Override
    public Response init(final ChaincodeStub stub) {
        stub.putStringState("initialised", String.join(",", stub.getParameters()));
        return newSuccessResponse();
    }

    @Override
    public Response invoke(final ChaincodeStub stub) {
        final List<String> arguments = stub.getParameters();
        switch (stub.getFunction()) {
            case "put":
                stub.putStringState(arguments.get(0), arguments.get(1));
                return newSuccessResponse();
            case "get":
                return answer(stub.getStringState(arguments.get(0)));
            case "put_private":
                stub.putPrivateData(arguments.get(0), arguments.get(1), stub.getTransient().get("value"));
                return newSuccessResponse();
            case "get_private":
                return answer(stub.getPrivateDataUTF8(arguments.get(0), arguments.get(1)));
            case "peer":
                return answer(stub.getMspId());
            default:
                return newErrorResponse("unknown function " + stub.getFunction());
        }
    }

    private static Response answer(final String text) {
        return newSuccessResponse(text == null ? new byte[0] : text.getBytes(StandardCharsets.UTF_8));
    }

    public static void main(final String[] arguments) throws Exception {
        final Meters meters = new Meters();
        // By Fabric's own variables alone, as official samples do.
        meters.processEnvironmentOptions();
        meters.validateOptions();
        final Properties configuration = meters.getChaincodeConfig();
        Metrics.initialize(configuration);
        Traces.initialize(configuration);
        final ChaincodeServer server = new NettyChaincodeServer(meters, meters.getChaincodeServerConfig());
        server.start();
    }
}
