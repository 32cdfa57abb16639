// Merged into the configuration of @jupyter/builder: TypeScript is compiled by rspack itself, so that a build
// needs neither tsc nor the @jupyterlab packages, which are there for their types only.
module.exports = {
  // Names by content alone: the default ones depend on the path of the checkout.
  optimization: { moduleIds: 'natural' },
  resolve: { extensions: ['.tsx', '.ts', '.js'] },
  module: {
    rules: [
      {
        test: /\.tsx?$/,
        exclude: /node_modules/,
        loader: 'builtin:swc-loader',
        type: 'javascript/auto',
        options: {
          jsc: {
            parser: { syntax: 'typescript', tsx: true },
            transform: { react: { runtime: 'classic' } },
            target: 'es2020'
          }
        }
      }
    ]
  }
};
