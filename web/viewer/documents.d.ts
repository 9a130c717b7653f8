/// What web/documents.ts makes of a file of documents/: the text of a question, complete.
declare module "*.graphql" {
  const document: string;
  export default document;
}

declare module "*.graphql?page" {
  const document: string;
  export default document;
}
