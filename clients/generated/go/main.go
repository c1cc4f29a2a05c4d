// Calls a running service through the client that openapi-generator makes for Go: go run . URL, with a token in TOKEN.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"

	"github.com/vaultspan/vaultspan"
)

func main() {
	if err := run(os.Args[1], os.Getenv("TOKEN")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url, token string) error {
	configuration := vaultspan.NewConfiguration()
	configuration.Servers = vaultspan.ServerConfigurations{{URL: url}}
	ctx := context.WithValue(context.Background(), vaultspan.ContextAccessToken, token)
	data := vaultspan.NewAPIClient(configuration).DataAPI

	secret := base64.StdEncoding.EncodeToString([]byte("a secret"))
	encryptionContext := map[string]string{"table": "users", "id": "17"}

	request := vaultspan.NewEncryptRequest(secret)
	request.SetEncryptionContext(encryptionContext)
	sealed, _, err := data.EncryptData(ctx, "contoso").EncryptRequest(*request).Execute()
	if err != nil {
		return err
	}
	opening := vaultspan.NewDecryptRequest(sealed.Ciphertext)
	opening.SetEncryptionContext(encryptionContext)
	opened, _, err := data.DecryptData(ctx, "contoso").DecryptRequest(*opening).Execute()
	if err != nil || opened.Plaintext != secret {
		return fmt.Errorf("decrypt returned %v: %w", opened, err)
	}
	fmt.Println("go encrypt, decrypt")

	items := []vaultspan.EncryptRequest{*request, *vaultspan.NewEncryptRequest("not base64!")}
	batch, _, err := data.EncryptBatch(ctx, "contoso").EncryptBatchRequest(*vaultspan.NewEncryptBatchRequest(items)).Execute()
	if err != nil || batch.Items[0].GetCiphertext() == "" || batch.Items[1].Error.GetCode() != "malformed-request" {
		return fmt.Errorf("the batch returned %v: %w", batch, err)
	}
	fmt.Println("go batch, with one item refused by itself")

	document := vaultspan.NewEncryptDocumentRequest(map[string]string{"email": secret, "note": secret})
	row, _, err := data.EncryptDocument(ctx, "contoso").EncryptDocumentRequest(*document).Execute()
	if err != nil {
		return err
	}
	fields, _, err := data.DecryptDocument(ctx, "contoso").DecryptDocumentRequest(*vaultspan.NewDecryptDocumentRequest(row.Fields)).Execute()
	if err != nil || fields.Fields["email"] != secret {
		return fmt.Errorf("the document returned %v: %w", fields, err)
	}
	fmt.Println("go document")

	_, _, err = data.EncryptData(ctx, "northwind").EncryptRequest(*request).Execute()
	var failure *vaultspan.GenericOpenAPIError
	if !errors.As(err, &failure) {
		return fmt.Errorf("northwind granted nothing, and encrypt returned %v", err)
	}
	problem, isProblem := failure.Model().(vaultspan.Problem)
	if !isProblem || problem.Code != "access-revoked" || problem.GetReason() != "role-missing" || problem.Fix.Action == "" {
		return fmt.Errorf("the refusal is %v", failure.Model())
	}
	fmt.Println("go refusal:", problem.Code, problem.GetReason())
	return nil
}
