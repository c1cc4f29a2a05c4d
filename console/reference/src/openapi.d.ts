declare module '*/openapi.yaml' {
  const contract: import('./contract.ts').Contract;
  export default contract;
}
