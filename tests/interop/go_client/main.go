// SPDX-License-Identifier: Apache-2.0

// The official Go client on one of our networks: `go run . SETTINGS.json` prints one JSON object. Settings: peer,
// peerName, tlsCertificate, certificate, privateKey, mspid, others (another member's MSP id), channel, chaincode, and
// hsm (library, label, pin, identifier) where the key is in a PKCS #11 token.
package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/client"
	"github.com/hyperledger/fabric-gateway/pkg/hash"
	"github.com/hyperledger/fabric-gateway/pkg/identity"
	"github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

type settings struct {
	Peer, PeerName, TlsCertificate, Certificate, PrivateKey, Mspid, Others, Channel, Chaincode string
	Hsm                                                                                        *token
}

type token struct{ Library, Label, Pin, Identifier string }

func main() {
	var told settings
	must(json.Unmarshal(must1(os.ReadFile(os.Args[1])), &told))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must1(os.ReadFile(told.TlsCertificate)))
	connection := must1(grpc.NewClient(told.Peer, grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, told.PeerName))))
	defer connection.Close()
	certificate := must1(identity.CertificateFromPEM(must1(os.ReadFile(told.Certificate))))
	id := must1(identity.NewX509Identity(told.Mspid, certificate))
	sign, closeSigner := signer(told)
	defer closeSigner()
	connected := must1(client.Connect(id, client.WithSign(sign), client.WithHash(hash.SHA256), client.WithClientConnection(connection)))
	defer connected.Close()
	offline := must1(client.Connect(id, client.WithHash(hash.SHA256), client.WithClientConnection(connection)))
	defer offline.Close()
	answer := map[string]any{}
	tour(told, connected, offline, sign, answer)
	fmt.Println(string(must1(json.Marshal(answer))))
}

func signer(told settings) (identity.Sign, func()) {
	if told.Hsm != nil {
		return hardware(*told.Hsm)
	}
	key := must1(identity.PrivateKeyFromPEM(must1(os.ReadFile(told.PrivateKey))))
	return must1(identity.NewPrivateKeySign(key)), func() {}
}

// hardware signs with a key that stays in a PKCS #11 token.
func hardware(told token) (identity.Sign, func()) {
	factory := must1(identity.NewHSMSignerFactory(told.Library))
	sign, closeSigner, err := factory.NewHSMSigner(identity.HSMSignerOptions{Label: told.Label, Pin: told.Pin, Identifier: told.Identifier})
	must(err)
	return sign, func() {
		must(closeSigner())
		factory.Dispose()
	}
}

func tour(told settings, connected *client.Gateway, offline *client.Gateway, sign identity.Sign, answer map[string]any) {
	network := connected.GetNetwork(told.Channel)
	contract := network.GetContract(told.Chaincode)
	key := fmt.Sprintf("go%d", time.Now().UnixNano())
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()

	answer["submitted"] = string(must1(contract.SubmitTransaction("increment", key)))
	answer["evaluated"] = string(must1(contract.EvaluateTransaction("get", key)))
	answer["offline"] = signedElsewhere(offline, sign, told, key)

	_, announced, err := contract.SubmitAsync("announce", client.WithArguments(key, "12 kWh"))
	must(err)
	start := must1(announced.Status()).BlockNumber
	event := <-must1(network.ChaincodeEvents(ctx, told.Chaincode, client.WithStartBlock(start)))
	answer["event"] = map[string]any{
		"name": event.EventName, "payload": string(event.Payload), "sameTransaction": event.TransactionID == announced.TransactionID(),
	}

	hidden := client.WithTransient(map[string][]byte{"value": []byte("hidden")})
	_, kept, err := contract.SubmitAsync("put_private", client.WithArguments("agreed", key), hidden)
	must(err)
	privateBlock := must1(kept.Status()).BlockNumber
	answer["private"] = string(must1(contract.EvaluateTransaction("get_private", "agreed", key)))
	answer["agreedByOne"] = failure(contract.Submit("put_private", client.WithArguments("agreed", key), hidden, client.WithEndorsingOrganizations(told.Mspid)))
	must1(contract.SubmitTransaction("require_organizations", key, fmt.Sprintf(`[%q, %q]`, told.Mspid, told.Others)))
	answer["keyByOne"] = failure(contract.Submit("increment", client.WithArguments(key), client.WithEndorsingOrganizations(told.Mspid)))
	answer["keyByBoth"] = string(must1(contract.SubmitTransaction("increment", key)))
	answer["refused"] = failure(contract.SubmitTransaction("refuse", key))

	collections := []string{}
	block := <-must1(network.BlockAndPrivateDataEvents(ctx, client.WithStartBlock(privateBlock)))
	for _, written := range block.GetPrivateDataMap() {
		collections = append(collections, names(written)...)
	}
	answer["privateHeard"] = collections
	answer["sameBlock"] = block.GetBlock().GetHeader().GetNumber() == privateBlock &&
		(<-must1(network.BlockEvents(ctx, client.WithStartBlock(privateBlock)))).GetHeader().GetNumber() == privateBlock &&
		(<-must1(network.FilteredBlockEvents(ctx, client.WithStartBlock(privateBlock)))).GetNumber() == privateBlock
}

// signedElsewhere lets a gateway without a key send what `sign` signed: proposal, transaction, question for its commit.
func signedElsewhere(offline *client.Gateway, sign identity.Sign, told settings, key string) map[string]any {
	contract := offline.GetNetwork(told.Channel).GetContract(told.Chaincode)
	unsigned := must1(contract.NewProposal("increment", client.WithArguments(key)))
	proposal := must1(offline.NewSignedProposal(must1(unsigned.Bytes()), must1(sign(unsigned.Digest()))))
	endorsed := must1(proposal.Endorse())
	transaction := must1(offline.NewSignedTransaction(must1(endorsed.Bytes()), must1(sign(endorsed.Digest()))))
	sent := must1(transaction.Submit())
	commit := must1(offline.NewSignedCommit(must1(sent.Bytes()), must1(sign(sent.Digest()))))
	return map[string]any{"result": string(transaction.Result()), "successful": must1(commit.Status()).Successful}
}

func names(written *rwset.TxPvtReadWriteSet) []string {
	found := []string{}
	for _, namespace := range written.GetNsPvtRwset() {
		for _, collection := range namespace.GetCollectionPvtRwset() {
			found = append(found, collection.GetCollectionName())
		}
	}
	return found
}

func failure(_ []byte, err error) map[string]any {
	if err == nil {
		return nil
	}
	var commit *client.CommitError
	if errors.As(err, &commit) {
		return map[string]any{"code": peer.TxValidationCode(commit.Code).String()}
	}
	messages := []string{}
	for _, detail := range status.Convert(err).Details() {
		if found, ok := detail.(*gateway.ErrorDetail); ok {
			messages = append(messages, found.GetMspId()+": "+found.GetMessage())
		}
	}
	return map[string]any{"code": status.Code(err).String(), "details": messages}
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("%v %v", err, status.Convert(err).Details()))
	}
}

func must1[T any](value T, err error) T {
	must(err)
	return value
}
