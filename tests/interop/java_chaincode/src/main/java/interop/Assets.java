// SPDX-License-Identifier: Apache-2.0
package interop;

import org.hyperledger.fabric.contract.Context;
import org.hyperledger.fabric.contract.ContractInterface;
import org.hyperledger.fabric.contract.annotation.Contract;
import org.hyperledger.fabric.contract.annotation.Default;
import org.hyperledger.fabric.contract.annotation.Info;
import org.hyperledger.fabric.contract.annotation.Transaction;

/** Values by key as a contract, started by the library's own main class. */
@Default
@Contract(name = "Assets", info = @Info(title = "Assets", version = "1.0"))
public final class Assets implements ContractInterface {
    @Transaction
    public void put(final Context context, final String key, final String value) {
        context.getStub().putStringState(key, value);
    }

    @Transaction(intent = Transaction.TYPE.EVALUATE)
    public String get(final Context context, final String key) {
        return context.getStub().getStringState(key);
    }

    @Transaction(name = "put_private")
    public void putPrivate(final Context context, final String collection, final String key) {
        context.getStub().putPrivateData(collection, key, context.getStub().getTransient().get("value"));
    }

    @Transaction(intent = Transaction.TYPE.EVALUATE, name = "get_private")
    public String getPrivate(final Context context, final String collection, final String key) {
        return context.getStub().getPrivateDataUTF8(collection, key);
    }

    @Transaction(intent = Transaction.TYPE.EVALUATE)
    public String peer(final Context context) {
        return context.getStub().getMspId();
    }
}
