// SPDX-License-Identifier: Apache-2.0

// Values by key on the official Go library, started by Fabric's own variables.
package main

import (
	"fmt"
	"os"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	pb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
)

type assets struct{}

func (assets) Init(shim.ChaincodeStubInterface) *pb.Response { return shim.Success(nil) }

func (assets) Invoke(stub shim.ChaincodeStubInterface) *pb.Response {
	function, arguments := stub.GetFunctionAndParameters()
	result, err := call(stub, function, arguments)
	if err != nil {
		return shim.Error(err.Error())
	}
	return shim.Success(result)
}

func call(stub shim.ChaincodeStubInterface, function string, arguments []string) ([]byte, error) {
	switch {
	case function == "put" && len(arguments) == 2:
		return nil, stub.PutState(arguments[0], []byte(arguments[1]))
	case function == "get" && len(arguments) == 1:
		return stub.GetState(arguments[0])
	case function == "put_private" && len(arguments) == 2:
		transient, err := stub.GetTransient()
		if err != nil {
			return nil, err
		}
		return nil, stub.PutPrivateData(arguments[0], arguments[1], transient["value"])
	case function == "get_private" && len(arguments) == 2:
		return stub.GetPrivateData(arguments[0], arguments[1])
	case function == "peer":
		mspid, err := shim.GetMSPID()
		return []byte(mspid), err
	}
	return nil, fmt.Errorf("no function %s with %d arguments", function, len(arguments))
}

func read(variable string) []byte {
	content, err := os.ReadFile(os.Getenv(variable))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return content
}

func main() {
	server := &shim.ChaincodeServer{
		CCID:    os.Getenv("CHAINCODE_ID"),
		Address: os.Getenv("CHAINCODE_SERVER_ADDRESS"),
		CC:      assets{},
		TLSProps: shim.TLSProperties{
			Key:           read("CHAINCODE_TLS_KEY"),
			Cert:          read("CHAINCODE_TLS_CERT"),
			ClientCACerts: read("CHAINCODE_CLIENT_CA_CERT"),
		},
	}
	if err := server.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
