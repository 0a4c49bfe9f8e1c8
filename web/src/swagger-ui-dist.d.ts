/** What the page of the API uses of Swagger UI, which has no types of its own. */

declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  const show: (options: {
    url: string;
    dom_id: string;
    deepLinking: boolean;
    displayRequestDuration: boolean;
    validatorUrl: null;
  }) => unknown;
  export default show;
}
