module example

go 1.23

require github.com/vaultspan/vaultspan v0.0.0

replace github.com/vaultspan/vaultspan => ../../../.clients/go
