import js from '@eslint/js';
import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  js.configs.recommended,
  ...tseslint.configs.recommended,
  { plugins: { 'react-hooks': hooks }, rules: hooks.configs.recommended.rules },
  {
    rules: {
      eqeqeq: 'error',
      'no-restricted-properties': [
        'error',
        { property: 'innerHTML', message: 'Text nodes only: what we show comes from anywhere.' },
        { property: 'outerHTML', message: 'Text nodes only: what we show comes from anywhere.' },
        { property: 'insertAdjacentHTML', message: 'Text nodes only: what we show comes from anywhere.' }
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
          message: 'Text nodes only: what we show comes from anywhere.'
        }
      ]
    }
  }
);
